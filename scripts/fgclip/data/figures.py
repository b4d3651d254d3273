"""The figures of a dataset: annotated frames, what each class has, and when the test videos show anomalies."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter
from numpy.typing import NDArray

from scripts.fgclip.data.annotated_frames import annotated_frames_figure, choose_items, read_item
from scripts.fgclip.data.records import LabelledVideo, Records, TestSet, read_records, read_test
from scripts.fgclip.data.statistics import class_order, count_records
from scripts.shared import atomic_files
from scripts.shared.figures.style import FAILED, MADE, drawable, house_style, say_instead, to_png

_COLUMNS = 600  # across a test video
_ROW_INCHES = 0.055


def write_figures(*, records: Path, test: Path, figures: Mapping[str, Path], title: str, seed: int) -> None:
    """Draw a dataset's figures.

    Args:
        records: `records.json`.
        test: `test.json`.
        figures: the PNG files of `annotated_frames`, `classes` and `test_intervals`.
        title: the dataset in words: `fgclip ucf`.
        seed: of the choice of items.

    Raises:
        JobError: one of the two files cannot be read.
    """
    used, tested = read_records(records), read_test(test)
    items = choose_items(used, seed)
    shown = [read_item(item, used.videos[item.video]) for item in items]
    heading = f"{title}: {len(items)} of {len(used.items):,} training items, frames with their boxes"
    drawn = {
        "annotated_frames": annotated_frames_figure(shown, title=heading),
        "classes": classes_figure(used, title=title),
        "test_intervals": intervals_figure(tested, title=title),
    }
    for name, path in figures.items():
        atomic_files.write_bytes(path, to_png(drawn[name]))


def classes_figure(records: Records, *, title: str) -> Figure:
    """How many items, regions and minutes each class has.

    Args:
        records: the training items.
        title: of the figure.
    """
    counted = count_records(records)
    places, names = range(len(counted)), [drawable(name) for name in counted]
    with house_style():
        figure = Figure(figsize=(13, 1.4 + 0.32 * max(len(counted), 3)), layout="constrained")
        figure.suptitle(f"{title}: what can be used of the training list", x=0.01, ha="left")
        columns = figure.subplots(1, 3)
        panels = [
            ("items (red: anomalous)", [of["items"] for of in counted.values()], "{:,.0f}"),
            ("regions", [of["regions"] for of in counted.values()], "{:,.0f}"),
            ("minutes", [of["seconds"] / 60 for of in counted.values()], "{:,.1f}"),
        ]
        for axes, (label, values, form) in zip(columns, panels, strict=True):
            axes.set_title(label)
            if not counted:
                say_instead(axes, "no item can be used")
                continue
            bars = axes.barh(places, values, color=MADE, height=0.7)
            axes.bar_label(bars, [form.format(value) for value in values], padding=3)
            axes.set_xlim(0, (max(values) or 1) * 1.2)
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=label != "minutes"))
            axes.set_yticks(places, names if axes is columns[0] else [""] * len(counted))
            axes.invert_yaxis()
            axes.grid(visible=False, axis="y")
        if counted:
            columns[0].barh(places, [of["anomalous"] for of in counted.values()], color=FAILED, height=0.7)
    return figure


def intervals_figure(test: TestSet, *, title: str) -> Figure:
    """Every anomalous test video as a line, its intervals marked, by class; beside it how long each is.

    Args:
        test: the test videos.
        title: of the figure.
    """
    videos = sorted((of for of in test.videos if of.intervals), key=lambda of: (class_order(of.category), of.key))
    n_normal = sum(not of.intervals for of in test.videos)
    n_frames = sum(of.n_frames for of in test.videos)
    marked = sum(int(_truth(of).sum()) for of in videos)
    share = f", {100 * marked / n_frames:.2f} % of all frames" if n_frames else ""
    with house_style():
        figure = Figure(figsize=(13, 1.6 + _ROW_INCHES * max(len(videos), 20)), layout="constrained")
        figure.suptitle(
            f"{title}: {len(videos):,} anomalous test videos, their intervals marked{share}; {n_normal:,} are normal",
            x=0.01,
            ha="left",
        )
        lines, lengths = figure.subplots(1, 2, sharey=bool(videos), width_ratios=[4, 1])
        if not videos:
            say_instead(lines, "no anomalous test video")
            lengths.set_axis_off()
            return figure
        _draw_intervals(lines, videos)
        _draw_lengths(lengths, [of.n_frames for of in videos])
    return figure


def _draw_intervals(axes: Axes, videos: Sequence[LabelledVideo]) -> None:
    """A line a video, redder where more of its frames are anomalous, and the classes beside."""
    coverage = np.stack([_coverage(of) for of in videos])
    colours = ListedColormap(np.linspace([0.93, 0.94, 0.95, 1], [0.753, 0.286, 0.184, 1], 64))
    axes.imshow(coverage, aspect="auto", cmap=colours, vmin=0, vmax=1, extent=(0, 100, len(videos), 0),
                interpolation="nearest")  # fmt: skip
    axes.set_xlabel("% of the video")
    axes.grid(visible=False)
    starts = _class_starts(videos)
    for start in starts.values():
        axes.axhline(start, color="white", linewidth=1.5)
    ends = [*list(starts.values())[1:], len(videos)]
    middles = [(start + end) / 2 for start, end in zip(starts.values(), ends, strict=True)]
    counts = [end - start for start, end in zip(starts.values(), ends, strict=True)]
    axes.set_yticks(middles, [f"{drawable(name)} ({n})" for name, n in zip(starts, counts, strict=True)])
    axes.tick_params(axis="y", length=0)


def _draw_lengths(axes: Axes, n_frames: Sequence[int]) -> None:
    axes.barh(np.arange(len(n_frames)) + 0.5, n_frames, color=MADE, height=0.8)
    axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_xlabel("frames")
    axes.tick_params(axis="y", labelleft=False, length=0)
    axes.grid(visible=False, axis="y")


def _truth(video: LabelledVideo) -> NDArray[np.bool_]:
    """Which frames are anomalous, (n_frames,)."""
    truth = np.zeros(video.n_frames, np.bool_)
    for start, end in video.intervals:
        truth[start:end] = True
    return truth


def _coverage(video: LabelledVideo) -> NDArray[np.float64]:
    """The share of anomalous frames in each column of a video's line, (columns,)."""
    before = np.concatenate([[0], np.cumsum(_truth(video))])
    edges = np.linspace(0, video.n_frames, _COLUMNS + 1)
    covered: NDArray[np.float64] = np.diff(np.interp(edges, np.arange(len(before)), before)) / np.diff(edges)
    return covered


def _class_starts(videos: Sequence[LabelledVideo]) -> dict[str, int]:
    """The first line of each class."""
    starts: dict[str, int] = {}
    for line, video in enumerate(videos):
        starts.setdefault(video.category, line)
    return starts
