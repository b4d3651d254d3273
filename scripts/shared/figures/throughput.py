"""Samples a second over the time in which a dataset was made, from what its jobs wrote down; see `ledger`."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from scripts.shared.figures.style import FAILED, MADE, QUIET, house_style, say_instead

_BINS = 120
_CLOCK_ERROR_S = 1.0
_IDLE_FRACTION, _IDLE_LEAST_S = 0.1, 10.0
_MOST_IDLES_NAMED = 6
_UNITS = (
    (2 * 86400.0, 86400.0, "days"),
    (2 * 3600.0, 3600.0, "hours"),
    (120.0, 60.0, "minutes"),
    (0.0, 1.0, "seconds"),
)


class Span(NamedTuple):
    """A stretch of one job's work.

    Attributes:
        start: Unix time in seconds.
        end: likewise, later.
        done: samples that ended in it, failed ones too.
        failed: those that failed.
    """

    start: float
    end: float
    done: int
    failed: int


def spans(rates: Iterable[dict[str, Any]]) -> list[Span]:
    """The stretches of work that the rate rows of one shard tell of.

    Args:
        rates: `rate` rows in reading order; each counts from the start of its job. Those of ledgers that did not
            record the time yet are left out.
    """
    found: list[Span] = []
    before: dict[str, Any] | None = None
    for rate in rates:
        if "at" not in rate:
            continue
        start = rate["at"] - rate["seconds"]
        # Another job cannot have begun before this shard's earlier job wrote its last row.
        goes_on = before is not None and rate["seconds"] > before["seconds"] and start < before["at"] - _CLOCK_ERROR_S
        done, failed = rate["made"], rate["failed"]
        if before is not None and goes_on:
            start, done, failed = before["at"], done - before["made"], failed - before["failed"]
        if done:
            found.append(Span(start, max(rate["at"], start + 1e-3), done, failed))
        before = rate
    return found


def leave_out_idle(work: Sequence[Span]) -> tuple[list[Span], list[tuple[float, float]]]:
    """The same work on a clock that starts at 0 and stands still while no job ran for long.

    Args:
        work: spans in any order, overlapping where jobs ran beside each other.

    Returns:
        The spans, and where the clock stood still: its time, and for how many seconds. Short pauses stay.
    """
    ordered = sorted(work)
    gaps: list[tuple[float, float]] = []
    latest = ordered[0].start
    working_s = 0.0
    for span in ordered:
        gaps.append((latest, max(span.start - latest, 0.0)))
        working_s += max(span.end - max(span.start, latest), 0.0)
        latest = max(latest, span.end)
    too_long = max(_IDLE_FRACTION * working_s, _IDLE_LEAST_S)
    moved, idle = [], []
    shift = ordered[0].start
    for span, (since, gap_s) in zip(ordered, gaps, strict=True):
        if gap_s > too_long:
            idle.append((since - shift, gap_s))
            shift += gap_s
        moved.append(span._replace(start=span.start - shift, end=span.end - shift))
    return moved, idle


def per_second(work: Sequence[Span], counts: Sequence[int], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many a second, in the mean over each bin, where each span's count is spread evenly over it.

    Args:
        work: n spans.
        counts: (n,) what to count of each.
        edges: (b + 1,) ascending times in seconds.

    Returns:
        (b,) float64.
    """
    starts = np.array([span.start for span in work])
    ends = np.array([span.end for span in work])
    slopes = np.asarray(counts, np.float64) / (ends - starts)
    times, places = np.unique(np.concatenate([starts, ends]), return_inverse=True)
    # The count so far is a line whose slope changes where a span starts or ends.
    slope = np.cumsum(np.bincount(places, np.concatenate([slopes, -slopes])))
    so_far = np.concatenate([[0.0], np.cumsum(slope[:-1] * np.diff(times))])
    rates: NDArray[np.float64] = np.diff(np.interp(edges, times, so_far)) / np.diff(edges)
    return np.maximum(rates, 0.0)  # not minus nothing, by rounding


def throughput_figure(work: Sequence[Span], *, title: str) -> Figure:
    """Samples a second, and failed ones, over the working time of all jobs together.

    Args:
        work: the spans of all shards.
        title: of the figure; what was made and when is added.
    """
    with house_style():
        figure = Figure(figsize=(9, 3.8), layout="constrained")
        axes = figure.add_subplot()
        if work:
            _draw(axes, work, title)
        else:
            axes.set_title(title)
            say_instead(axes, "no rate was recorded")
    return figure


def _draw(axes: Axes, work: Sequence[Span], title: str) -> None:
    n_done, n_failed = sum(span.done for span in work), sum(span.failed for span in work)
    begun, ended = (_clock(second) for second in (min(s.start for s in work), max(s.end for s in work)))
    moved, idle = leave_out_idle(work)
    worked_s = max(span.end for span in moved)
    unit_s, unit = next((unit_s, name) for least, unit_s, name in _UNITS if worked_s >= least)
    edges = np.linspace(0.0, worked_s, _BINS + 1)
    for counts, color, label in (
        ([span.done for span in moved], MADE, "done, failed ones too"),
        ([span.failed for span in moved], FAILED, "failed"),
    ):
        axes.stairs(per_second(moved, counts, edges), edges / unit_s, fill=True, color=color, label=label)
    for at, idle_s in idle if len(idle) <= _MOST_IDLES_NAMED else []:
        axes.axvline(at / unit_s, color=QUIET, linestyle=":")
        place = axes.get_xaxis_transform()
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5}
        words = f"idle {_duration(idle_s)}"
        axes.text(at / unit_s, 0.97, words, transform=place, rotation=90, va="top", ha="center", fontsize=9, bbox=box)
    done = f"{n_done:,} samples done, {n_failed:,} of them failed, in {_duration(worked_s)}"
    axes.set_title(f"{title}: {done}\n{begun} to {ended} UTC")
    axes.set_xlim(0, worked_s / unit_s)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(f"working time in {unit}" + (f" (idle times left out: {len(idle)})" if idle else ""))
    axes.set_ylabel("samples a second")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False, borderaxespad=0.2)


def _clock(second: float) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M")


def _duration(seconds: float) -> str:
    unit_s, unit = next((unit_s, name) for least, unit_s, name in _UNITS if seconds >= least)
    return f"{seconds / unit_s:.3g} {unit}"
