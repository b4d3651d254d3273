"""The curves of a training, with what chance gives and the goals that users of the training guide know."""

from pathlib import Path

from scripts.fgclip.figures.bars import write_figure
from scripts.shared.training.curves import Panel, curves_figure
from scripts.shared.training.metrics_log import read_rows
from scripts.shared.training.run_folder import metrics_file

# The guide's goals at the end of a training. They say little: with its batches of 2 chance is 0.69 for the videos.
_GOAL = "goal of the training guide"
PANELS = (
    Panel("loss", {"loss": "both together", "loss_held_out": "held-out videos"}),
    Panel(
        "loss of videos",
        {"loss_global": "videos against captions", "chance_global": "chance in this batch"},
        levels={_GOAL: 2.0},
    ),
    Panel(
        "loss of regions",
        {"loss_region": "regions against captions", "chance_region": "chance in this batch"},
        levels={_GOAL: 1.5},
    ),
    Panel("learning rate", {"learning_rate": "learning rate"}),
    Panel("gradient norm", {"grad_norm": "gradient norm"}, logarithmic=True),
)


def draw_training(run_dir: Path, output: Path, *, pdf: bool) -> None:
    """Draw what a run measured.

    Args:
        run_dir: its folder, with `metrics.jsonl`.
        output: the picture, PNG.
        pdf: draw it as PDF too, beside the PNG.
    """
    rows = list(read_rows(metrics_file(run_dir)))
    write_figure(output, curves_figure(rows, PANELS, title=f"Training of {run_dir.name}"), pdf=pdf)
