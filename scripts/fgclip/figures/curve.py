"""A video's scores along its frames, with the true anomalies shaded."""

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from scripts.fgclip.figures.shown_video import WORDS, ShownVideo
from scripts.shared.figures.style import FAILED, MADE, QUIET

_THIN = ("#b9c0c6", "#7fa6d0")
TRUTH = "#f3c9bf"


def draw_curve(axes: Axes, shown: ShownVideo, *, stepwise: bool, legend: bool = True) -> None:
    """Draw all scores of a video, the judged one boldly.

    Args:
        axes: where to draw.
        shown: the video.
        stepwise: whether a frame between scored ones has the score of the one before; else they go linearly.
        legend: whether it is drawn.
    """
    for number, (start, end) in enumerate(shown.video.intervals):
        axes.axvspan(start, end, color=TRUTH, linewidth=0, label=None if number else "anomaly as annotated", zorder=0)
    *others, judged = shown.scores.items()
    drawn = [(*one, color, 1.2) for one, color in zip(others, _THIN, strict=False)]
    for name, values, color, width in [*drawn, (*judged, MADE, 2.0)]:
        axes.plot(
            [*shown.frames, shown.video.n_frames],
            [*values, values[-1]],
            color=color,
            linewidth=width,
            drawstyle="steps-post" if stepwise else "default",
            marker="o" if len(shown.frames) == 1 else "",
            label=WORDS[name],
        )
    if shown.threshold is not None:
        axes.axhline(shown.threshold, color=FAILED, linewidth=1.2, linestyle=(0, (4, 2)), label="threshold of an alarm")
    axes.set_xlim(0, shown.video.n_frames)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_ylabel(f"score ({shown.units})", fontsize=8)
    axes.set_xlabel(frame_axis_label(shown.video.n_frames, shown.video.fps), fontsize=9)
    axes.tick_params(labelsize=8, colors=QUIET)
    if legend:
        axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=5, frameon=False, fontsize=8)


def frame_axis_label(n_frames: int, fps: float) -> str:
    """What the axis of frames says of the video's length."""
    return f"frame of {n_frames:,}" + (f" ({n_frames / fps:,.1f} s, {fps:.4g} a second)" if fps > 0 else "")
