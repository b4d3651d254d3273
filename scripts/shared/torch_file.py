"""Files of `torch.save`, loaded without running what they may hold. Imports torch."""

import errno
import pickle
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scripts.shared.errors import ConfigError
from scripts.shared.torch_archive import is_archive, is_torchscript

_UNREADABLE = (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, AttributeError, TypeError)
_ASKED = re.compile(r"GLOBAL (\S+)")


def load_plain(path: Path, *, mmap: bool = False) -> Any:
    """Load tensors and plain values to the CPU.

    Args:
        path: the file.
        mmap: leave the tensors in the file until they are read; for files in PyTorch's zip format only.

    Raises:
        ConfigError: the file is damaged, or holds more than tensors and plain values; nothing in it was run.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except (*_UNREADABLE, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # which PyTorch says of an archive cut short
            raise
        raise ConfigError(
            f"{path}: not loaded, and nothing in it was run, because it is damaged or holds more than tensors"
            f"{_reason(error)}; take the file from its publisher again, or save model.state_dict() alone"
        ) from error


def load_named(path: Path, *, mmap: bool = False) -> dict[str, Tensor]:
    """Load tensors by name to the CPU, as CLIP models are published: a program of TorchScript, or saved tensors.

    A program is read, since it names the tensors, and not run. Of saved values the dict `state_dict` is taken, if there
    is one, and what is no tensor is left out.

    Args:
        path: the file.
        mmap: see `load_plain`.

    Raises:
        ConfigError: the file is damaged, holds more than tensors and plain values, or no tensors by name.
        OSError: it cannot be read.
    """
    if is_archive(path) and is_torchscript(path):
        try:
            found: Any = torch.jit.load(path, map_location="cpu").state_dict()  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            raise ConfigError(f"{path}: is damaged; take it from its publisher again") from error
    else:
        found = load_plain(path, mmap=mmap)
        if isinstance(found, dict):
            found = found.get("state_dict", found)
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: holds no tensors by name; save model.state_dict()")
    return {str(key): value for key, value in found.items() if isinstance(value, Tensor)}


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if "weights_only" in text:  # PyTorch's own words propose to load the file without this guard
        asked = _ASKED.search(text)
        text = f"it asks for {asked[1]}" if asked else ""
    return text and f" ({text[:200]})"
