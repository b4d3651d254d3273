"""The picture of a training, for the report."""

from pathlib import Path

from scripts.shared import atomic_files
from scripts.shared.figures.style import to_png
from scripts.shared.training.curves import Panel, curves_figure
from scripts.shared.training.metrics_log import read_rows
from scripts.shared.training.run_folder import metrics_file

_PANELS = (
    Panel("loss", {"loss": "training", "validation_loss": "held-out pairs"}),
    Panel(
        "part of held-out batches found",
        {
            "validation_image_to_text_accuracy": "text of a picture",
            "validation_text_to_image_accuracy": "picture of a text",
        },
    ),
    Panel("learning rate", {"lr": "learning rate"}),
)


def draw_training(run_dir: Path, output: Path) -> None:
    """Draw what a run measured, as PNG.

    Args:
        run_dir: its folder, with `metrics.jsonl`.
        output: the picture.
    """
    rows = list(read_rows(metrics_file(run_dir)))
    atomic_files.write_bytes(output, to_png(curves_figure(rows, _PANELS, title=f"Training of {run_dir.name}")))
