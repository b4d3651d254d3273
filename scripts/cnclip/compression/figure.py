"""The forms of a model in one picture: size and time as bars, the reason where one is not there."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from scripts.shared.figures.style import MADE, QUIET, house_style, to_png

_PANELS = (("size in MB", None), ("ms a picture, CPU", "picture_ms"), ("ms a text, CPU", "text_ms"))


def forms_figure(name: str, rows: Sequence[Mapping[str, Any]], times: Mapping[str, Any]) -> bytes:
    """Draw the forms.

    Args:
        name: of the model.
        rows: of `forms.compare_forms`.
        times: likewise.

    Returns:
        A PNG.
    """
    with house_style():
        figure = Figure(figsize=(10, 1.2 + 0.45 * len(rows)), layout="constrained")
        figure.suptitle(f"{name}: forms side by side")
        places = np.arange(len(rows))[::-1]
        for axes, (title, key) in zip(figure.subplots(1, len(_PANELS), sharey=True), _PANELS, strict=True):
            values = [_value(row, times, key) for row in rows]
            axes.barh(places, [value or 0 for value in values], color=MADE)
            for place, value in zip(places, values, strict=True):
                axes.text(
                    value or 0, place, " not there" if value is None else f" {value:.3g}", va="center", color=QUIET
                )
            axes.set_title(title)
            axes.margins(x=0.25)
            axes.set_yticks(places, [_label(row) for row in rows])
            axes.grid(axis="y", visible=False)
    return to_png(figure)


def _value(row: Mapping[str, Any], times: Mapping[str, Any], key: str | None) -> float | None:
    if key is None:
        return row["size_bytes"] / 1e6 if "size_bytes" in row else None
    found: float | None = times.get(row["form"], {}).get("cpu", {}).get(key)
    return found


def _label(row: Mapping[str, Any]) -> str:
    recall = ((row.get("recall") or {}).get("t2i") or {}).get("r1")
    return str(row["form"]) if recall is None else f"{row['form']}\nR@1 {recall:.1f}"
