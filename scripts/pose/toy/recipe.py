"""How the toy model is trained: its sizes and steps, and what names the model before it exists."""

from dataclasses import asdict, dataclass
from pathlib import Path

from scripts.pose.text.identity import minilm_identity
from scripts.shared.errors import ConfigError
from scripts.shared.fingerprints import digest_file, digest_value

_FORMAT = 1  # raised when the training gives another model from equal recipe and data


@dataclass(frozen=True)
class Recipe:
    """Sizes and training of both nets; the defaults take under a minute on one core.

    Attributes:
        ae_width: channels of the autoencoder's convolutions.
        latent: channels of a latent token.
        ae_steps: steps of the autoencoder's training.
        ae_batch: crops a step.
        ae_rate: its highest learning rate.
        width: of the transformer.
        mlp_width: of the diffusion net.
        mlp_depth: its residual blocks.
        steps: of the denoiser's training.
        batch: crops a step.
        rate: its highest learning rate.
        times: noises and times that each masked token is trained with in one step.
        text_noise: standard deviation of what is added to each number of a text vector, so that a new wording, which
            lies near the known ones, is known too.
        text_dropped: part of the captions replaced by zeros, for guidance.
    """

    ae_width: int = 64
    latent: int = 16
    ae_steps: int = 1600
    ae_batch: int = 8
    ae_rate: float = 3e-3
    width: int = 128
    mlp_width: int = 128
    mlp_depth: int = 3
    steps: int = 1600
    batch: int = 32
    rate: float = 4e-3
    times: int = 2
    text_noise: float = 0.03
    text_dropped: float = 0.1


RECIPE = Recipe()


def recipe_identity(motions: Path, captions: Path, seed: int, recipe: Recipe = RECIPE) -> str:
    """What a toy model is called, known before it is trained: recipe, data, text encoder and seed settle it.

    Args:
        motions: the motion clips (npz).
        captions: the captions of the clips (csv).
        seed: of every random draw.
        recipe: sizes and steps.

    Returns:
        32 hexadecimal digits.

    Raises:
        ConfigError: a file cannot be read, or the text encoder is not installed.
    """
    return digest_value(
        {
            "format": _FORMAT,
            "recipe": asdict(recipe),
            "motions": _digest(motions),
            "captions": _digest(captions),
            "text_encoder": minilm_identity(),
            "seed": seed,
        }
    )


def _digest(path: Path) -> str:
    try:
        return digest_file(path)
    except OSError as refused:
        raise ConfigError(f"{path}: {refused.strerror}; the toy model is trained with this file") from refused
