import json
from pathlib import Path

from matplotlib.axes import Axes

from scripts.fgclip.figures.training_figure import PANELS, draw_training
from scripts.shared.figures.style import to_png
from scripts.shared.training.curves import curves_figure

ROWS = [
    {
        "step": step,
        "loss": 4.0 / step,
        "loss_global": 2.0 / step,
        "loss_region": 3.0 / step,
        "chance_global": 2.773,
        "chance_region": 3.1,
        "learning_rate": 1e-3,
        "grad_norm": 1.0,
    }
    for step in range(1, 9)
]


def heights(axes: Axes) -> dict[str, float]:
    return {str(line.get_label()): float(line.get_ydata()[0]) for line in axes.get_lines()}


def test_losses_stand_beside_chance_and_the_guides_goals() -> None:
    figure = curves_figure(ROWS, PANELS, title="t")
    assert heights(figure.axes[1]) == {
        "videos against captions": 2.0,
        "chance in this batch": 2.773,
        "goal of the training guide": 2.0,
    }
    assert heights(figure.axes[2])["chance in this batch"] == 3.1
    assert heights(figure.axes[2])["goal of the training guide"] == 1.5
    assert [axes.get_ylabel() for axes in figure.axes] == [panel.label for panel in PANELS]


def test_what_a_run_wrote_becomes_a_picture(tmp_path: Path) -> None:
    run = tmp_path / "tiny"
    run.mkdir()
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    draw_training(run, run / "figures" / "training.png", pdf=False)
    assert (run / "figures" / "training.png").read_bytes() == to_png(
        curves_figure(ROWS, PANELS, title="Training of tiny")
    )
    assert not (run / "figures" / "training.pdf").exists()
