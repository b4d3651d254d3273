"""What a collection holds: how long its recordings are, and how many each speaker has."""

from array import array
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scripts.shared.figures.distributions import draw_histogram
from scripts.shared.figures.style import DPI, FAILED, MADE, drawable, house_style
from scripts.speaker.figures.marks import counted, plain, whole_numbers
from scripts.speaker.figures.segmentation import Segmentation

_WIDTH, _HEIGHT = 1500, 460  # in pixels
_MOST_BARS = 12
_HOURS_FROM_S = 7200


def collection_figure(segmentation: Segmentation, durations: "array[float]", *, title: str) -> Figure:
    """Draw `collection.png`.

    Args:
        segmentation: the speakers found.
        durations: of each recording in seconds; 0 where none is known.
        title: the dataset in words.
    """
    known = array("d", (duration_s for duration_s in durations if duration_s > 0))
    with house_style():
        figure = Figure(figsize=(_WIDTH / DPI, _HEIGHT / DPI), layout="constrained")
        total_s = sum(known)
        minutes = f"{plain(total_s / 60)} minutes" if total_s < _HOURS_FROM_S else f"{plain(total_s / 3600)} hours"
        without = f" ({segmentation.n_without:,} more without embedding)" if segmentation.n_without else ""
        held = f"{counted(segmentation.n, 'file')}{without}{f', {minutes}' if known else ''}"
        found = counted(len(segmentation.speaker_ids), "speaker")
        figure.suptitle(drawable(f"{title}: {held}, {found} found"), x=0.01, ha="left")
        of_duration, of_speaker = figure.subplots(1, 2)
        unknown = f", {len(durations) - len(known):,} unknown" if len(known) < len(durations) else ""
        of_duration.set_title(f"duration of the recordings{unknown}")
        draw_histogram(of_duration, known, label="seconds", none="none known")
        draw_file_counts(of_speaker, segmentation)
    return figure


def draw_file_counts(axes: Axes, segmentation: Segmentation) -> None:
    """Draw how many files each speaker has: bars with names, or from 13 speakers on a falling curve."""
    counts = np.diff(segmentation.indices).tolist()
    if len(counts) <= _MOST_BARS:
        _draw_bars(axes, segmentation.speaker_ids, counts)
    else:
        axes.stairs(sorted(counts, reverse=True), np.arange(len(counts) + 1) + 0.5, fill=True, color=MADE)
        axes.set_xlim(0.5, len(counts) + 0.5)
        axes.set_xlabel("speakers, from the one with the most files to the one with the fewest")
        axes.set_ylabel("files")
        axes.set_title(
            f"files of each speaker: {min(counts):,} to {max(counts):,}, median {plain(float(np.median(counts)))}"
        )
    for axis in (axes.xaxis, axes.yaxis) if len(counts) > _MOST_BARS else (axes.xaxis,):
        whole_numbers(axis, 6)
    expected = segmentation.parameters.get("segment_size")
    if expected:
        _mark_expected(axes, expected, across=len(counts) > _MOST_BARS)


def _draw_bars(axes: Axes, speaker_ids: Sequence[str], counts: Sequence[int]) -> None:
    bars = axes.barh(range(len(counts)), counts, color=MADE, height=0.7)
    axes.set_yticks(range(len(counts)), [drawable(speaker_id) for speaker_id in speaker_ids])
    axes.set_ylim(max(len(counts), 6) - 0.4, -0.6)  # in the order of the collection, and few bars no thicker than many
    axes.bar_label(bars, [f"{count:,}" for count in counts], padding=4)
    axes.set_xlim(0, max(counts) * 1.15)
    axes.set_xlabel("files")
    axes.set_title("files of each speaker")
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def _mark_expected(axes: Axes, expected: int, *, across: bool) -> None:
    line = axes.axhline if across else axes.axvline
    line(expected, color=FAILED, linestyle="--", label=f"expected (segment_size): {expected:,}")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), frameon=False, borderaxespad=0.2)
