"""Pictures of the toy's training and of its control, for the report."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter

from scripts.pose.toy.control import Control
from scripts.shared.figures.style import DPI, FAILED, MADE, drawable, house_style

_WIDTH, _HEIGHT = 1100, 420  # in pixels
_SIDE = 980
_SMOOTHED = 25  # steps
_LABELLED = "125"  # first digits of the numbers written at a logarithmic axis


def losses_figure(autoencoder: Sequence[float], denoiser: Sequence[float]) -> Figure:
    """Draw the losses of the training.

    Args:
        autoencoder: smooth L1 on normalised features, of each step.
        denoiser: mean square error of the velocity, of each step.
    """
    with house_style():
        figure = Figure(figsize=(_WIDTH / DPI, _HEIGHT / DPI), layout="constrained")
        figure.suptitle("Training of the toy model", x=0.01, ha="left")
        left, right = figure.subplots(1, 2)
        _draw_losses(left, autoencoder, "autoencoder", "smooth L1 of normalised features")
        _draw_losses(right, denoiser, "denoiser", "mean square error of the velocity")
    return figure


def control_figure(control: Control) -> Figure:
    """Draw how far the poses of each held-out caption are from each clip.

    Args:
        control: of a model.
    """
    n, centimetres = len(control.clips), 100 * control.distances
    nearest = centimetres.argmin(axis=1)
    with house_style():
        figure = Figure(figsize=((_SIDE + 320) / DPI, _SIDE / DPI * 0.72), layout="constrained")
        axes = figure.add_subplot()
        figure.suptitle(
            f"Poses from captions that the toy never saw: their own clip is the nearest for {control.n_right} of {n} "
            "(by chance 1)\nmean distance a joint to the nearest frame of each clip, centimetres; framed: the nearest "
            "clip, red where it is another",
            x=0.01,
            ha="left",
        )
        image = axes.imshow(centimetres, cmap="viridis_r", aspect="auto")
        figure.colorbar(image, ax=axes, label="centimetres", shrink=0.8)
        axes.grid(visible=False)
        axes.set_xticks(range(n), [drawable(name) for name in control.clips], rotation=40, ha="right")
        axes.set_yticks(range(n), [drawable(caption) for caption in control.captions])
        axes.tick_params(length=0)
        middle = (centimetres.min() + centimetres.max()) / 2
        for row, column in np.ndindex(n, n):
            value = centimetres[row, column]
            color = "white" if value > middle else "black"
            axes.text(column, row, f"{value:.0f}", ha="center", va="center", color=color, fontsize=8)
        for row, column in enumerate(nearest.tolist()):
            color = "black" if row == column else FAILED
            axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=color, linewidth=2))
    return figure


def _draw_losses(axes: Axes, losses: Sequence[float], net: str, measure: str) -> None:
    values = np.asarray(losses, np.float64)
    window = min(_SMOOTHED, len(values))
    smooth = np.convolve(values, np.full(window, 1 / window), mode="valid")
    axes.plot(np.arange(1, len(values) + 1), values, color=MADE, alpha=0.25, linewidth=0.6)
    axes.plot(np.arange(len(smooth)) + (window + 1) / 2, smooth, color=MADE)
    axes.set_yscale("log")
    for which in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        which(FuncFormatter(lambda value, _: f"{value:,.3g}" if f"{value:.0e}"[0] in _LABELLED else ""))
    axes.set_xlabel("step")
    axes.set_ylabel(measure)
    axes.set_title(f"{net}: at last {smooth[-1]:.3g}, mean of {window} steps")
