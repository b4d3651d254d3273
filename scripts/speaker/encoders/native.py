"""A model folder in WeSpeaker's layout, run by our own nets."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor, nn

from scripts.shared.errors import ConfigError
from scripts.shared.torch_file import load_plain
from scripts.speaker.encoders.encoder import MEL_BANDS
from scripts.speaker.encoders.model_folder import wespeaker_files
from scripts.speaker.encoders.torch_encoder import TorchEncoder
from scripts.speaker.nets.catalogue import make_net


@dataclass(frozen=True)
class ModelConfig:
    """What `config.yaml` says of a model.

    Attributes:
        model: name of the net.
        model_args: its arguments.
    """

    model: str
    model_args: dict[str, Any]


def load_native(folder: str, *, name: str, device: str, precision: str) -> TorchEncoder:
    """Load a model folder as an encoder; arguments as `TorchEncoder`.

    Raises:
        ConfigError: see `load_net`.
    """
    return TorchEncoder(load_net(Path(folder)), name=name, device=device, precision=precision)


def load_net(folder: Path) -> nn.Module:
    """Build the net that a folder describes, with its weights, in evaluation mode on the CPU.

    Raises:
        ConfigError: a file is missing or unreadable, the weights would run code when loaded, the net is not known,
            or the weights are those of another net.
    """
    weights, config = wespeaker_files(folder)
    wanted = read_config(config)
    tensors = read_weights(weights)
    try:
        return make_net(wanted.model, wanted.model_args, tensors)
    except ValueError as error:
        raise ConfigError(f"{folder}: {error}") from error


def read_config(path: Path) -> ModelConfig:
    """Read what a model's `config.yaml` says of the net.

    Raises:
        ConfigError: it is no YAML of plain values, lacks a field, or describes a model that takes other features.
    """
    try:
        config = yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: not a YAML file of plain values: {' '.join(str(error).split())}") from error
    if not isinstance(config, dict):
        raise ConfigError(f"{path}: holds no fields; it must name model and model_args")
    model, arguments = config.get("model"), config.get("model_args", {})
    if not isinstance(model, str) or not isinstance(arguments, dict):
        raise ConfigError(f"{path}: model must be a name and model_args a table; they are {model!r} and {arguments!r}")
    data = config.get("dataset_args", {})
    features = data.get("frontend", "fbank") if isinstance(data, dict) else "fbank"
    if features != "fbank":
        raise ConfigError(f"{path}: dataset_args.frontend is {features!r}: only models that take fbank can be used")
    bands = arguments.get("feat_dim", arguments.get("acoustic_dim", MEL_BANDS))
    if bands != MEL_BANDS:
        raise ConfigError(f"{path}: model_args: the model takes {bands} mel bands; only {MEL_BANDS} can be made here")
    return ModelConfig(model, arguments)


def read_weights(path: Path, *, table: str = "state_dict") -> Mapping[str, Tensor]:
    """Read a checkpoint's tensors by key, running nothing that the file may hold.

    Args:
        path: the checkpoint.
        table: where the checkpoint holds more than the tensors: the name that they have in it.

    Raises:
        ConfigError: the file is damaged, or holds more than tensors and plain values.
    """
    found = load_plain(path)
    if isinstance(found, dict) and isinstance(found.get(table), dict):
        found = found[table]
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise ConfigError(f"{path}: holds no table of tensors by key, as torch.save(model.state_dict(), ...) makes it")
    return found
