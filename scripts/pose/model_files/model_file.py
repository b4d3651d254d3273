"""A model in one file of ours: safetensors, with what its tensors do not tell in the metadata."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from scripts.pose.model_files.assembly import Part, make_autoencoder, make_length_estimator, make_mardm
from scripts.pose.model_files.header import FORMAT, check_wanted, read_header
from scripts.pose.model_files.mean_std import Statistics
from scripts.pose.nets.autoencoder import AutoEncoder
from scripts.pose.nets.length_estimator import LengthEstimator
from scripts.pose.nets.mardm import Mardm
from scripts.shared.atomic_files import open_new
from scripts.shared.errors import ConfigError

_DTYPES = {torch.float32: "F32", torch.float64: "F64"}
_ALIGNMENT = 64  # bytes


@dataclass(frozen=True)
class PoseModel:
    """A model that can be run.

    Attributes:
        autoencoder: features to latents and back.
        mardm: latents from text vectors.
        length_estimator: None where the model was converted without.
        mean: (n_features,) float32 or float64, of the features.
        std: (n_features,) of the same type.
        kind: `sit` or `ddpm`.
        skeleton: `t2m` or `kit`.
        identity: hexadecimal digits that stand for the weights, mean and standard deviation; "" of a model that
            `write_model` is to give one by its content.
        text_encoder: that the model was trained with: `clip` or `minilm`.
        lengths_identity: as `identity`, of the length estimator; "" where there is none.
    """

    autoencoder: AutoEncoder
    mardm: Mardm
    length_estimator: LengthEstimator | None
    mean: Statistics
    std: Statistics
    kind: str
    skeleton: str
    identity: str
    text_encoder: str
    lengths_identity: str = ""


def write_model(path: Path, model: PoseModel, *, sources: Mapping[str, str]) -> None:
    """Write a model as one file, which appears whole or not at all. Equal models give equal bytes.

    Weights that are mapped from files are copied piece by piece: the largest tensor is what it takes in memory.

    Args:
        path: of the new file, `*.safetensors`.
        model: on any device, float32.
        sources: what it was made from, for who reads the metadata.
    """
    tensors = {
        **{f"ae.{key}": value for key, value in model.autoencoder.state_dict().items()},
        **{f"mardm.{key}": value for key, value in model.mardm.state_dict().items()},
        **{"mean": torch.from_numpy(model.mean), "std": torch.from_numpy(model.std)},
    }
    estimator = {}
    if model.length_estimator is not None:
        estimator = {f"length_estimator.{key}": value for key, value in model.length_estimator.state_dict().items()}
    metadata = {
        "format": FORMAT,
        "kind": model.kind,
        "skeleton": model.skeleton,
        "identity": model.identity or _digest(tensors),
        "lengths_identity": model.lengths_identity or (_digest(estimator) if estimator else ""),
        "heads": str(model.mardm.sizes.heads),
        "text_encoder": model.text_encoder,
        "sources": json.dumps(dict(sources), sort_keys=True),
    }
    with open_new(path) as file:
        _write_safetensors(file, tensors | estimator, metadata)


def load_model(path: Path, *, kind: str, skeleton: str, identity: str, device: str) -> PoseModel:
    """Load a model that `write_model` wrote, for inference.

    On the CPU its weights stay in the file until they are used, and processes share them.

    Args:
        path: the file.
        kind: that it must be of.
        skeleton: that it must be for.
        identity: that it must have.
        device: that it is to run on, such as `cpu` or `cuda:0`.

    Raises:
        ConfigError: the file cannot be read, is cut off, or is another model than the one asked for.
    """
    header = read_header(path)
    check_wanted(header, path, kind=kind, skeleton=skeleton)
    if header.identity != identity:
        raise ConfigError(
            f"{path}: holds the model {header.identity[:8]}, but {identity[:8]} is planned: it was replaced since; "
            "start the run again"
        )
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ConfigError(f"{path}: cannot be loaded: {' '.join(str(error).split())}; convert it again") from error
    parts = {name: _part(tensors, name, path) for name in ("ae", "mardm", "length_estimator")}
    autoencoder = make_autoencoder(parts["ae"], skeleton)
    mardm = make_mardm(parts["mardm"], header.heads, parts["ae"])
    estimator = make_length_estimator(parts["length_estimator"], mardm.sizes.text) if header.lengths_identity else None
    return PoseModel(
        autoencoder.to(device),
        mardm.to(device),
        None if estimator is None else estimator.to(device),
        mean=_statistics(tensors, "mean", path),
        std=_statistics(tensors, "std", path),
        kind=header.kind,
        skeleton=header.skeleton,
        identity=header.identity,
        text_encoder=header.text_encoder,
        lengths_identity=header.lengths_identity,
    )


def _part(tensors: Mapping[str, Tensor], name: str, path: Path) -> Part:
    prefix = f"{name}."
    state = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    return Part(state, f"{path}: [{name!r}]")


def _statistics(tensors: Mapping[str, Tensor], key: str, path: Path) -> Statistics:
    if key not in tensors:
        raise ConfigError(f"{path}: key {key!r} is missing; convert it again")
    values: Statistics = tensors[key].numpy().copy()
    return values


def _write_safetensors(file: BinaryIO, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write the safetensors format with every tensor at a multiple of 64 bytes, those of odd lengths last.

    A matrix product may round in another way where its operand lies in another way in memory (Intel's oneMKL promises
    equal bits for equal alignment only), and weights are used where the file is mapped: so all models lie alike.
    """
    order = sorted(tensors, key=lambda key: (tensors[key].nbytes % _ALIGNMENT != 0, key))
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    end = 0
    for key in order:
        tensor, begin, end = tensors[key], end, end + tensors[key].nbytes
        header[key] = {"dtype": _DTYPES[tensor.dtype], "shape": [*tensor.shape], "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % _ALIGNMENT)
    file.write(len(text).to_bytes(8, "little") + text)
    for key in order:
        file.write(_bytes(tensors[key]))


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for key, tensor in sorted(tensors.items()):
        digest.update(f"{key} {tensor.dtype} {[*tensor.shape]}\n".encode())
        digest.update(_bytes(tensor))
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> memoryview:
    return memoryview(tensor.detach().cpu().contiguous().numpy().reshape(-1).view("u1").data)
