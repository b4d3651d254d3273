import math
from typing import Any

from scripts.shared.figures.style import to_png
from scripts.shared.training.curves import Panel, curves_figure

PANELS = (
    Panel("loss", {"loss": "training", "valid/loss": "validation"}),
    Panel("learning rate", {"lr": "learning rate"}),
    Panel("accuracy", {"valid/accuracy": "picture to text"}),
)


def rows(n: int) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = [
        {"step": step, "loss": 4 * math.exp(-step / n) + 0.3 * math.sin(step * 7.1), "lr": 1e-3 * (1 - step / n)}
        for step in range(1, n + 1)
    ]
    every = max(n // 10, 1)
    made += [{"step": step, "valid/loss": 4 * math.exp(-step / n) + 0.2} for step in range(every, n + 1, every)]
    return sorted(made, key=lambda row: row["step"])


def lines(n: int) -> dict[str, list[int]]:
    axes = curves_figure(rows(n), PANELS, title="run").axes
    return {ax.get_ylabel(): [len(line.get_xdata()) for line in ax.get_lines()] for ax in axes}  # type: ignore[arg-type]


def test_every_curve_has_its_points() -> None:
    assert lines(30) == {"loss": [30, 10], "learning rate": [30], "": []}


def test_a_long_curve_is_thinned_and_has_a_mean() -> None:
    assert lines(10_000)["loss"] == [3334, 9801, 10]


def test_what_was_not_measured_is_said() -> None:
    figure = curves_figure(rows(5), PANELS, title="run")
    assert [text.get_text() for text in figure.axes[2].texts] == ["accuracy: nothing was measured"]
    assert curves_figure([], PANELS, title="run").axes[0].texts[0].get_text() == "loss: nothing was measured"


def test_null_values_are_left_out() -> None:
    figure = curves_figure([{"step": 1, "loss": None}, {"step": 2, "loss": 3.0}], PANELS[:1], title="run")
    assert list(figure.axes[0].get_lines()[0].get_xdata()) == [2.0]


def test_levels_are_drawn_across_and_named() -> None:
    panel = Panel("loss", {"loss": "loss"}, levels={"chance": 9.0})
    (axes,) = curves_figure(rows(5), [panel], title="run").axes
    level = axes.get_lines()[-1]
    assert level.is_dashed()
    assert list(level.get_ydata()) == [9.0, 9.0]
    assert axes.get_ylim()[1] > 9.0
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["loss", "chance"]


def test_a_logarithmic_axis_has_numbers_and_no_formulas() -> None:
    figure = curves_figure(rows(5), [Panel("lr", {"lr": "lr"}, logarithmic=True)], title="run")
    to_png(figure)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert "0.001" in labels
    assert not any("$" in label for label in labels)


def test_equal_rows_give_equal_bytes() -> None:
    pictures = [to_png(curves_figure(rows(200), PANELS, title="run")) for _ in range(2)]
    assert pictures[0] == pictures[1]
