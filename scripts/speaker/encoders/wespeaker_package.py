"""A model folder run by the real WeSpeaker package, of which only the net is used.

What its own way of embedding lacks, this module brings: features are ours (its loader of audio needs torchaudio),
batches, and features on the device of the net.
"""

import importlib
import io
import logging
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from torch import nn

from scripts.shared.errors import ConfigError
from scripts.speaker.encoders.model_folder import wespeaker_files
from scripts.speaker.encoders.native import read_config, read_weights
from scripts.speaker.encoders.torch_encoder import TorchEncoder
from scripts.speaker.nets.catalogue import check_keys

log = logging.getLogger(__name__)

_INSTALL = "`pip install -r envs/wespeaker.txt` installs it; runtime native runs the same models without it"


def load_wespeaker(folder: str, *, name: str, device: str, precision: str) -> TorchEncoder:
    """Load a model folder through the package; arguments as `TorchEncoder`.

    Raises:
        ConfigError: the package cannot be imported, or the folder is none that can be loaded safely and wholly.
    """
    # Absolute, because the package takes names such as `campplus` as models to download.
    place = Path(folder).absolute()
    weights, config = wespeaker_files(place)
    # First by our own readers: the package unpickles whatever the file holds.
    wanted, tensors = read_config(config), read_weights(weights)
    printed = io.StringIO()
    with redirect_stdout(printed):  # it prints its configuration, and stdout belongs to others
        package = _import()
        load = getattr(package, "load_model_local", None) or package.load_model
        net: Any = load(str(place)).model
    log.debug("wespeaker: %s", printed.getvalue())
    if not isinstance(net, nn.Module):
        raise ConfigError(f"this version of the Python package wespeaker cannot be used: its model is {type(net)}")
    try:
        check_keys(net, tensors, wanted.model)  # it leaves what the file lacks at random values
    except ValueError as error:
        raise ConfigError(f"{place}: {error}") from error
    return TorchEncoder(net, name=name, device=device, precision=precision)


def _import() -> Any:
    try:
        return importlib.import_module("wespeaker")
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"runtime: wespeaker cannot be used here: the Python package {error.name} is not installed; {_INSTALL}"
        ) from error
    except (ImportError, OSError) as error:  # its torchaudio looks for libraries of CUDA
        raise ConfigError(
            f"runtime: the Python package wespeaker is installed and cannot be imported ({error}); {_INSTALL}"
        ) from error
