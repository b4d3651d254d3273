"""What is said of a trained toy: how it learned, and whether it understands captions that it never saw."""

from pathlib import Path

from scripts.pose.text.minilm import MiniLm
from scripts.pose.toy.control import run_control
from scripts.pose.toy.figures import control_figure, losses_figure
from scripts.pose.toy.motions import read_clips
from scripts.pose.toy.training import Trained
from scripts.shared import atomic_files
from scripts.shared.figures.style import to_png


def write_report(
    trained: Trained, motions: Path, captions: Path, *, seed: int, measured: Path, training: Path, control: Path
) -> None:
    """Write the numbers and pictures of a toy.

    Args:
        trained: the toy.
        motions: that it was trained on (npz).
        captions: of the motions (csv).
        seed: of the poses made for the control.
        measured: the control's numbers, as JSON.
        training: picture of the losses.
        control: picture of the control.

    Raises:
        ConfigError: see `read_clips`.
    """
    clips = read_clips(motions, captions)
    found = run_control(trained.model, clips, MiniLm().encode, seed=seed)
    atomic_files.write_json(
        measured,
        {
            "captions": len(found.captions),
            "nearest_to_their_own_motion": found.n_right,
            "by_chance": 1,
            "metres_to_each_motion": {
                caption: dict(zip(found.clips, row, strict=True))
                for caption, row in zip(found.captions, found.distances.round(4).tolist(), strict=True)
            },
        },
    )
    atomic_files.write_bytes(training, to_png(losses_figure(trained.autoencoder_losses, trained.denoiser_losses)))
    atomic_files.write_bytes(control, to_png(control_figure(found)))
