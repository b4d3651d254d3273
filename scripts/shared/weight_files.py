"""The weights of a model folder in Hugging Face's layout, and giving them to a model. Imports torch."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from scripts.shared.errors import ConfigError
from scripts.shared.torch_file import load_plain
from scripts.shared.torch_state import check_state

WEIGHTS = "model.safetensors"
_OLD_WEIGHTS = "pytorch_model.bin"
_ALIGNMENT = 64  # bytes


def weights_file(folder: Path) -> Path:
    """The weights in a folder of Hugging Face's layout.

    Raises:
        ConfigError: there are none.
    """
    for name in (WEIGHTS, _OLD_WEIGHTS):
        if (folder / name).is_file():
            return folder / name
    raise ConfigError(f"{folder}: has neither {WEIGHTS} nor {_OLD_WEIGHTS}; copy the weights there")


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of `weights_file`, by name, on the CPU; nothing in the file is run.

    Raises:
        ConfigError: it is damaged, or holds more than tensors.
    """
    if path.name == _OLD_WEIGHTS:
        found = load_plain(path)
        if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
            raise ConfigError(f"{path}: holds more than tensors by key; save model.state_dict() alone")
        return found
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ConfigError(f"{path}: is damaged ({error}); copy it again") from error


def give_weights(model: nn.Module, state: Mapping[str, Tensor], *, where: str) -> None:
    """Give a model on the meta device its weights in float32; it shares their memory where it can.

    Args:
        model: buffers that no file holds are left for the caller to fill.
        state: all its tensors and nothing else.
        where: the file, as an error should name it.

    Raises:
        ConfigError: a key is missing or unexpected, a shape is another, or a value is not finite; names the first.
    """
    there = {key: _aligned(value.contiguous().float()) for key, value in state.items()}
    check_state(model.state_dict(), there, where)
    check_finite(there, where)
    model.load_state_dict(there, assign=True)


def check_finite(state: Mapping[str, Tensor], where: str) -> None:
    """Refuse weights that are not all finite.

    Raises:
        ConfigError: names the first tensor, and the place in it.
    """
    for key, value in state.items():
        if not torch.isfinite(value).all():
            bad = torch.nonzero(~torch.isfinite(value))
            raise ConfigError(
                f"{where}: {len(bad):,} of {value.numel():,} values of {key} are NaN or infinite, the first at "
                f"{bad[0].tolist()}: its training broke down; take an earlier checkpoint"
            )


def _aligned(value: Tensor) -> Tensor:
    """A tensor as PyTorch lays it in memory.

    Those of a safetensors file lie anywhere; there the same weights take other routines and give other last bits.
    """
    return value if value.data_ptr() % _ALIGNMENT == 0 else value.clone()
