"""The towers for phones in one picture: size, time on one core, and what they find."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scripts.cnclip.evaluation.recall import DEPTHS
from scripts.shared.figures.style import MADE, QUIET, house_style, say_instead, to_png

_SIDES = {"txt": "texts", "img": "pictures"}
_SHADES = (QUIET, MADE, "#8fb3dc")  # a row of the table each
_BITS = {"onnx_fp32": "fp32", "onnx_int8": "int8"}


def mobile_figure(name: str, rows: Sequence[Mapping[str, Any]], times: Mapping[str, Mapping[str, float]]) -> bytes:
    """Draw sizes, times and recall.

    Args:
        name: of the model.
        rows: of `mobile_table.compare_mobile`.
        times: likewise.

    Returns:
        A PNG.
    """
    whole = [row for row in rows if len(row["bytes"]) == len(_SIDES)]
    with house_style():
        figure = Figure(figsize=(10, 3.2), layout="constrained")
        figure.suptitle(f"{name}: towers of 8 bits beside those of 32")
        sizes, latencies, recall = figure.subplots(1, 3, width_ratios=(2, 2, 3))
        _bars(sizes, "MB", {row["form"]: [row["bytes"][side] / 1e6 for side in _SIDES] for row in whole})
        _bars(
            latencies,
            "ms, one core",
            {form: [each["text_ms"], each["picture_ms"]] for form, each in times.items()},
        )
        _draw_recall(recall, rows)
        legend: dict[str, Any] = {}
        for axes in figure.axes:
            handles, labels = axes.get_legend_handles_labels()
            legend |= dict(zip(labels, handles, strict=True))
        figure.legend(legend.values(), legend.keys(), loc="outside lower center", ncols=len(legend), frameon=False)
    return to_png(figure)


def _bars(axes: Axes, title: str, values: Mapping[str, Sequence[float]]) -> None:
    """Bars of each form beside one another, by tower."""
    axes.set_title(title)
    _grouped(axes, {_BITS.get(form, form): found for form, found in values.items()}, list(_SIDES.values()), "{:.3g}")
    axes.margins(y=0.2)


def _draw_recall(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    measured = {row["form"]: row["t2i"] for row in rows if "recall" in row["t2i"]}
    if not measured:
        refused = next((row["t2i"]["refused"] for row in rows if "refused" in row["t2i"]), "no data to measure on")
        say_instead(axes, refused if len(refused) < 40 else "refused: see the table")  # as much as fits
        return
    chance = next(iter(measured.values()))["chance"]
    keys = [f"r{depth}" for depth in DEPTHS]
    shown = {_BITS.get(form, form): [one["recall"][key] for key in keys] for form, one in measured.items()}
    _grouped(axes, shown, [f"R@{depth}" for depth in DEPTHS], "{:.1f}")
    at = np.arange(len(keys))
    axes.hlines([chance[key] for key in keys], at - 0.45, at + 0.45, color="black", linewidth=1, label="chance")
    axes.set_title("recall, text to picture, %")
    axes.set_ylim(0, 110)


def _grouped(axes: Axes, values: Mapping[str, Sequence[float]], labels: Sequence[str], number: str) -> None:
    width = 0.8 / len(values)
    for place, ((form, heights), shade) in enumerate(zip(values.items(), _SHADES, strict=False)):
        at = np.arange(len(labels)) + (place - (len(values) - 1) / 2) * width
        bars = axes.bar(at, heights, width, color=shade, label=form)
        axes.bar_label(bars, [number.format(height) for height in heights], fontsize=7, color=QUIET)
    axes.set_xticks(np.arange(len(labels)), labels)
    axes.grid(axis="x", visible=False)
