"""Models for the tests of the pose system: the golden small weights in the official layout, and one of full size."""

import json
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from scripts.pose.model_files.assembly import Part, make_autoencoder, make_length_estimator, make_mardm
from scripts.pose.model_files.mean_std import DATASETS, Statistics
from scripts.pose.model_files.model_file import PoseModel, write_model
from scripts.pose.model_files.official import AE_FILES, MARDM_FOLDERS, find_model
from scripts.pose.skeleton import SKELETONS
from scripts.shared.fingerprints import digest_value

DATA = Path(__file__).parent / "data"
GOLDEN = DATA / "golden" / "mardm"
SMALL_HEADS = 4  # of the golden small weights
SMALL_TEXT = 40  # numbers of their text vectors
State = dict[str, Tensor]


def write_checkpoints(
    folder: Path,
    *,
    kind: str = "sit",
    skeleton: str = "t2m",
    length_estimator: bool = False,
    statistics: str = "datasets",
    full_width: bool = False,
) -> Path:
    """Write the golden small weights as the authors of MARDM lay out their files.

    Args:
        folder: comes to hold `checkpoints`, and beside it mean and standard deviation.
        kind: `sit` or `ddpm`.
        skeleton: `t2m` or `kit`.
        length_estimator: whether to add one; it takes text vectors of `SMALL_TEXT` numbers and is random.
        statistics: where mean and deviation go: `datasets`, `utils` (the two official places), or "" for nowhere.
        full_width: whether they are as wide as the data set's own files.

    Returns:
        The folder `checkpoints`.
    """
    checkpoints = folder / "checkpoints"
    place = checkpoints / skeleton
    save_ae(place / "AE" / "model" / AE_FILES[skeleton], small_ae_weights(skeleton))
    save_mardm(place / MARDM_FOLDERS[kind] / "model" / "latest.tar", small_mardm_weights())
    if length_estimator:
        save(place / "length_estimator" / "model" / "finest.tar", {"estimator": small_estimator_weights(), "epoch": 3})
    mean, std = small_mean_std(skeleton)
    if full_width:
        rest = np.full({"t2m": 263, "kit": 251}[skeleton] - mean.size, 7, mean.dtype)
        mean, std = np.concatenate([mean, rest]), np.concatenate([std, rest])
    if statistics == "datasets":
        save_array(folder / "datasets" / DATASETS[skeleton] / "Mean.npy", mean)
        save_array(folder / "datasets" / DATASETS[skeleton] / "Std.npy", std)
    elif statistics == "utils":
        save_array(folder / "utils" / "eval_mean_std" / skeleton / "eval_mean.npy", mean)
        save_array(folder / "utils" / "eval_mean_std" / skeleton / "eval_std.npy", std)
    return checkpoints


def write_small_model(
    path: Path,
    *,
    kind: str = "sit",
    skeleton: str = "t2m",
    length_estimator: bool = False,
    text_encoder: str = "clip",
) -> str:
    """Write the golden small weights, with the heads that they were made for, as a converted model.

    Returns:
        Its identity.
    """
    ae, mardm = Part(small_ae_weights(skeleton), "golden ae"), Part(small_mardm_weights(), "golden mardm")
    estimator = Part(small_estimator_weights(), "random estimator")
    mean, std = small_mean_std(skeleton)
    model = PoseModel(
        make_autoencoder(ae, skeleton),
        make_mardm(mardm, SMALL_HEADS, ae),
        make_length_estimator(estimator, SMALL_TEXT) if length_estimator else None,
        mean,
        std,
        kind=kind,
        skeleton=skeleton,
        identity="",
        text_encoder=text_encoder,
    )
    write_model(path, model, sources={"weights": "tests/data/golden/mardm"})
    return find_model(path, kind, skeleton, None, None, needs_lengths=False).identity


def random_xl_model(
    path: Path, *, kind: str = "sit", skeleton: str = "t2m", length_estimator: bool = False, seed: int = 3407
) -> str:
    """Write a converted model of the official sizes with random weights, 1.2 GB; see `random_state`.

    Returns:
        Its identity.
    """
    generator = torch.Generator().manual_seed(seed)
    ae = Part(random_state(f"ae_{skeleton}", generator), "random ae")
    mardm = Part(random_state(f"mardm_{kind}_xl", generator), "random mardm")
    estimator = Part(random_state("length_estimator", generator), "random estimator")
    mean, std = small_mean_std(skeleton)
    model = PoseModel(
        make_autoencoder(ae, skeleton),
        make_mardm(mardm, 16, ae),
        make_length_estimator(estimator, 512) if length_estimator else None,
        mean,
        std,
        kind=kind,
        skeleton=skeleton,
        identity=digest_value(["random XL", kind, skeleton, seed]),
        text_encoder="clip",
    )
    write_model(path, model, sources={"weights": "random"})
    return model.identity


def random_state(name: str, generator: torch.Generator) -> State:
    """Weights of an official net, by the shapes in `key_shapes_<name>.json`: normal, scaled by the fan-in.

    A matrix or convolution is drawn from N(0, 1 / fan-in), a bias from N(0, 0.1^2), the scale of a norm from
    N(1, 0.1^2): signals keep their size from layer to layer, and no weight is zero as in an untrained net.
    """
    shapes = json.loads((GOLDEN / f"key_shapes_{name}.json").read_text())["shapes"]
    return {key: _random(key, shape, generator) for key, shape in shapes.items() if key != "position_enc.pe"}


def _random(key: str, shape: list[int], generator: torch.Generator) -> Tensor:
    values = torch.randn(shape, generator=generator)
    if len(shape) > 1:
        return values.div_(math.sqrt(math.prod(shape[1:])))
    return values.mul_(0.1).add_(1.0 if key.endswith("weight") else 0.0)


def small_ae_weights(skeleton: str) -> State:
    """The golden autoencoder: latents of 32 channels."""
    return load_file(GOLDEN / f"ae_{skeleton}_small.safetensors")


def small_mardm_weights() -> State:
    """The golden MARDM: latents of 32 channels, `SMALL_HEADS` heads, text vectors of `SMALL_TEXT`."""
    return load_file(GOLDEN / "mardm_sit_small.safetensors")


def small_estimator_weights() -> State:
    """The golden length estimator, but with a random first layer that takes text vectors of `SMALL_TEXT` numbers."""
    state = load_file(GOLDEN / "length_estimator.safetensors")
    weight = torch.randn(512, SMALL_TEXT, generator=torch.Generator().manual_seed(1))
    return state | {"output.0.weight": weight / math.sqrt(SMALL_TEXT)}


def small_mean_std(skeleton: str) -> tuple[Statistics, Statistics]:
    """Mean and standard deviation of real motion (t2m, float32) or of the golden features (kit, float64)."""
    if skeleton == "t2m":
        with np.load(DATA / "demo" / "pose" / "real_motion.npz") as clips:
            frames = np.concatenate([clips[name] for name in clips.files if name.endswith("_features")])
    else:
        with np.load(GOLDEN / "recover_from_ric.npz") as golden:
            frames = golden["kit_batch_features"].reshape(-1, SKELETONS["kit"].n_features).astype(np.float64)
    floor = frames.dtype.type(0.01)
    return frames.mean(axis=0, dtype=frames.dtype), np.maximum(frames.std(axis=0, dtype=frames.dtype), floor)


def save_ae(path: Path, state: Mapping[str, Tensor]) -> None:
    """Save an autoencoder's checkpoint as its training does, state of the optimizer included."""
    save(path, {"ae": dict(state), "opt_ae": _optimizer(state)[0], "ep": 50, "total_it": 1000})


def save_mardm(path: Path, state: Mapping[str, Tensor]) -> None:
    """Save a MARDM's checkpoint as its training does; the weights that count are the averaged ones, `ema_mardm`."""
    pe = _position_code(state["cond_emb.weight"].shape[0])
    averaged = {**state, "position_enc.pe": pe}
    optimizer, scheduler = _optimizer(state)
    raw = {key: value * 2 for key, value in averaged.items()}
    extra = {"ep": 500, "total_it": 100_000}
    save(path, {"mardm": raw, "ema_mardm": averaged, "opt_mardm": optimizer, "scheduler": scheduler, **extra})


def save(path: Path, value: object) -> None:
    """`torch.save` into a folder that may not be there yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(value, path)


def save_array(path: Path, array: Statistics) -> None:
    """`numpy.save` into a folder that may not be there yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)


def _position_code(width: int) -> Tensor:
    """A stand-in of the right shape but for fewer rows: readers compute their own."""
    return torch.zeros(50, 1, width)


def _optimizer(state: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Any]]:
    """States of an AdamW and of its MultiStepLR as their `state_dict` gives them; made by hand, in milliseconds."""
    moments = [
        {"step": torch.tensor(1.0), "exp_avg": value / 10, "exp_avg_sq": value**2 / 1000} for value in state.values()
    ]
    group = {"lr": 2e-4, "betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0.0, "params": [*range(len(moments))]}
    schedule = {
        "milestones": Counter({50_000: 1}),
        "gamma": 0.1,
        "base_lrs": [2e-4],
        "last_epoch": 1,
        "_last_lr": [2e-4],
    }
    return {"state": dict(enumerate(moments)), "param_groups": [group]}, schedule
