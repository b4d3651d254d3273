"""Which CLIP a training begins with, told without loading it. Light, since planning asks it."""

import json
from pathlib import Path
from typing import Any

from scripts.shared.errors import ConfigError
from scripts.shared.fingerprints import digest_file, digest_value
from scripts.shared.weights_identity import contents_digest

TINY, RANDOM_B32 = "tiny", "random-ViT-B-32"
RANDOM = (TINY, RANDOM_B32)  # networks of random weights by name: for proofs, tests and measurements
CONFIG = "config.json"
FACTS = "polymill.json"  # of a model folder of ours: names its weights by their digest
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_TOKENIZER = ("vocab.json", "merges.txt", "tokenizer.json")
_WANTED = (
    "name the folder of a CLIP in Hugging Face's layout (config.json and model.safetensors), one of OpenAI's .pt files "
    f"of a ViT, or {TINY} for a toy of random weights"
)


def clip_files(path: Path) -> list[Path]:
    """The files that make a CLIP: the weights first, then what else a folder holds of it.

    Raises:
        ConfigError: there is no such file, or the folder lacks its weights or `config.json`.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise ConfigError(f"clip: {path} does not exist; {_WANTED}")
    weights = [path / name for name in _WEIGHTS if (path / name).is_file()]
    if not weights or not (path / CONFIG).is_file():
        lacking = CONFIG if weights else " or ".join(_WEIGHTS)
        raise ConfigError(f"clip: {path} has no {lacking}; {_WANTED}")
    return [weights[0], path / CONFIG, *(path / name for name in _TOKENIZER if (path / name).is_file())]


def clip_identity(clip: str) -> str:
    """Tell a CLIP from others in milliseconds, by its file's table of contents and samples of its weights.

    Args:
        clip: a path as `clip_files` takes it, or a name of `RANDOM`.

    Returns:
        The name, or 32 hexadecimal digits; equal for copies, whatever their names and times.

    Raises:
        ConfigError: it does not exist, or is no whole file of weights; the text names the mend.
    """
    if clip in RANDOM:
        return clip
    weights, *others = clip_files(Path(clip))
    return digest_value(
        [contents_digest(weights, what="clip", wanted=_WANTED), {path.name: digest_file(path) for path in others}]
    )


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of a CLIP's folder.

    Raises:
        ConfigError: it cannot be read, or is no JSON object.
    """
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"clip: {path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"clip: {path} is no JSON ({error}); copy it again") from error
    if not isinstance(said, dict):
        raise ConfigError(f"clip: {path} describes no model; copy it again")
    return said
