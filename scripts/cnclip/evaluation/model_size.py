"""How large a model is: parameters by the header of its weights, bytes by its files. Loads nothing."""

import json
import math
import struct
from pathlib import Path
from typing import NamedTuple

from scripts.cnclip.encoder import TORCH

_PICTURE_SIDE = ("vision_model.", "visual_projection.")
_LARGEST_HEADER = 100 << 20


class ModelSize(NamedTuple):
    """Size of a model.

    Attributes:
        parameters: numbers that training set; None where the files do not tell.
        visual_parameters: those of the picture side.
        bytes: of the files with weights.
    """

    parameters: int | None
    visual_parameters: int | None
    bytes: int


def model_size(path: Path, form: str = TORCH) -> ModelSize:
    """Look at a model's files.

    Of a multilingual model, part of which may lie in a Python package, only the bytes are told.

    Args:
        path: as `encoder.open_model` takes it.
        form: likewise.
    """
    if form != TORCH:
        exported = json.loads((path / "export.json").read_text(encoding="utf-8"))["forms"][form]
        return ModelSize(None, None, exported["size_bytes"])
    if path.is_file():
        return ModelSize(None, None, path.stat().st_size)
    files = sorted(path.rglob("*.safetensors"))
    total = sum(file.stat().st_size for file in files)
    counts = {key: count for file in files if file.parent == path for key, count in _tensors(file).items()}
    if not any(key.startswith(_PICTURE_SIDE) for key in counts):
        return ModelSize(None, None, total)
    visual = sum(count for key, count in counts.items() if key.startswith(_PICTURE_SIDE))
    return ModelSize(sum(counts.values()), visual, total)


def _tensors(path: Path) -> dict[str, int]:
    """Numbers of every tensor; format: safetensors, 8 bytes of length and a JSON header."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(min(length, _LARGEST_HEADER)))
    return {key: math.prod(entry["shape"]) for key, entry in header.items() if key != "__metadata__"}
