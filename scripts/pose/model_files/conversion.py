"""The official checkpoints as one file of ours, every weight of it checked."""

import zlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from scripts.pose.model_files.assembly import Part, make_autoencoder, make_length_estimator, make_mardm
from scripts.pose.model_files.mean_std import read_mean_std
from scripts.pose.model_files.model_file import PoseModel, write_model
from scripts.pose.model_files.official import ModelFiles, identify
from scripts.shared.errors import ConfigError, JobError
from scripts.shared.torch_archive import check_pickle, read_records
from scripts.shared.torch_file import load_plain

KEYS = {"ae": "ae", "mardm": "ema_mardm", "length_estimator": "estimator"}  # of the one table that is needed
OFFICIAL_HEADS = 16  # of the attention; the weights do not tell


def convert(files: ModelFiles, target: Path, *, heads: int = OFFICIAL_HEADS) -> None:
    """Write the model that official checkpoints hold as one file, which appears whole or not at all.

    The checkpoints are mapped, not read: their optimizer's state, most of their size, is never touched, and memory
    holds one tensor at a time.

    Args:
        files: as `find_model` found them, not converted yet.
        target: of the new file, `*.safetensors`.
        heads: of the attention.

    Raises:
        ConfigError: a file is damaged, would run code, or holds other weights than those of this model; the text
            names the file, what was expected and what is there.
        JobError: the files are not those that `files` describes.
    """
    if identify(files.paths, files.kind, files.skeleton) != (files.identity, files.lengths_identity):
        raise JobError(f"{files.paths['mardm']} or a file with it changed since the plan was made; start the run again")
    parts = {part: _read_part(files.paths[part], key) for part, key in KEYS.items() if part in files.paths}
    autoencoder = make_autoencoder(parts["ae"], files.skeleton)
    mardm = make_mardm(parts["mardm"], heads, parts["ae"])
    estimator = None
    if "length_estimator" in parts:
        estimator = make_length_estimator(parts["length_estimator"], mardm.sizes.text)
    for part, net in (("ae", autoencoder), ("mardm", mardm), ("length_estimator", estimator)):
        if net is not None:
            _check_weights(net, parts[part], files.paths[part])
    mean, std = read_mean_std(files.paths["mean"], files.paths["std"], files.skeleton)
    model = PoseModel(
        autoencoder,
        mardm,
        estimator,
        mean,
        std,
        kind=files.kind,
        skeleton=files.skeleton,
        identity=files.identity,
        text_encoder=files.text_encoder,
        lengths_identity=files.lengths_identity,
    )
    # The ends of the paths only, so that the file is the same wherever the checkpoints lie.
    write_model(target, model, sources={part: "/".join(path.parts[-3:]) for part, path in files.paths.items()})


def _read_part(path: Path, key: str) -> Part:
    """One table of tensors of a checkpoint; the tensors stay in the file."""
    check_pickle(path)
    found: Any = load_plain(path, mmap=True)
    where = f"{path}: [{key!r}]"
    if not isinstance(found, dict) or key not in found:
        there = ", ".join(repr(name) for name in list(found)[:8]) if isinstance(found, dict) else type(found).__name__
        raise ConfigError(
            f"{path}: has no table {key!r}; it holds {there or 'nothing'}. Take the official file, or put the weights "
            f"under this name: `torch.save({{{key!r}: state_dict}}, path)`"
        )
    state = found[key]
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ConfigError(f"{where}: no table of tensors by key; take the official file again")
    return Part(state, where)


def _check_weights(net: nn.Module, part: Part, path: Path) -> None:
    """Compare what a net uses with the checksums that the archive lists, and see that it is finite numbers."""
    listed = {(record.size, record.crc) for record in read_records(path)}
    for key in net.state_dict():
        tensor = part.state[key]
        if not tensor.is_floating_point():
            raise ConfigError(f"{part.where}: {key} holds {tensor.dtype}, not floating point numbers")
        stored = torch.empty(0, dtype=torch.uint8).set_(tensor.untyped_storage()).numpy()
        if (stored.size, zlib.crc32(stored.data)) not in listed:
            raise ConfigError(
                f"{part.where}: {key} is damaged: its bytes do not fit the checksum that was written with them; "
                "download the file again"
            )
        if not tensor.isfinite().all():
            raise ConfigError(
                f"{part.where}: {key} holds NaN or infinity; the training that made it went wrong, or the file is not "
                "the official one"
            )
