"""Mean and standard deviation of the motion features: where they are, and whether they are those of the skeleton."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scripts.pose.skeleton import SKELETONS
from scripts.shared.errors import ConfigError

Statistics = NDArray[np.float32] | NDArray[np.float64]

DATASETS = {"t2m": "HumanML3D", "kit": "KIT-ML"}  # name of a skeleton's data set in upstream's folders
# Numbers a frame in the data sets' own files: the first ones are the features, rotations and contacts follow.
FULL_WIDTHS = {"t2m": 263, "kit": 251}


def find_mean_std(checkpoints: Path, skeleton: str, mean: str | None, std: str | None) -> tuple[Path, Path]:
    """The two files.

    Args:
        checkpoints: folder of the official checkpoints.
        skeleton: `t2m` or `kit`.
        mean: the file that the option names; where neither is named, upstream's places beside the checkpoints and in
            their folder are looked at in turn.
        std: as `mean`.

    Raises:
        ConfigError: only one is named, or they are not there; the text names each place.
    """
    if mean or std:
        if not (mean and std):
            given, other = ("mean", "std") if mean else ("std", "mean")
            raise ConfigError(f"{given} is set and {other} is not: they belong together, set both or neither")
        return Path(mean), Path(std)
    # As the option has it, absolute or not: in a tree that was moved nothing is another file then.
    beside = checkpoints.absolute().parent
    roots = (beside if checkpoints.is_absolute() else Path(os.path.relpath(beside)), checkpoints)
    places = [
        (folder / names[0], folder / names[1])
        for root in roots
        for folder, names in (
            (root / "datasets" / DATASETS[skeleton], ("Mean.npy", "Std.npy")),
            (root / "utils" / "eval_mean_std" / skeleton, ("eval_mean.npy", "eval_std.npy")),
        )
    ]
    for pair in places:
        if all(path.is_file() for path in pair):
            return pair
    looked = "; ".join(f"{a} and {b.name}" for a, b in places)
    raise ConfigError(
        f"checkpoints: the mean and the standard deviation of {DATASETS[skeleton]}'s features, which skeleton "
        f"{skeleton} needs, are not there; looked for: {looked}. Put them there, or name them by mean and std"
    )


def read_mean_std(mean: Path, std: Path, skeleton: str) -> tuple[Statistics, Statistics]:
    """Read and check the two files.

    Returns:
        Mean and standard deviation, each (n_features,), float32 or float64 as in the file; of the data set's own,
        wider files the first columns.

    Raises:
        ConfigError: a file cannot be read, is that of another data set, or holds what is no mean or deviation.
    """
    means, deviations = _read(mean, skeleton), _read(std, skeleton)
    wrong = np.flatnonzero(~(deviations > 0))
    if wrong.size:
        raise ConfigError(
            f"{std}: the standard deviation of feature {wrong[0]} is {deviations[wrong[0]]}, where each must be above "
            f"0; are mean and std exchanged? Take {DATASETS[skeleton]}'s file again"
        )
    return means, deviations


def _read(path: Path, skeleton: str) -> Statistics:
    try:
        # Mapped: a header that claims more than the file holds is refused before room is made for it.
        found = np.lib.format.open_memmap(path, mode="r")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, EOFError) as error:
        raise ConfigError(
            f"{path}: no whole .npy file of numbers ({' '.join(str(error).split())[:120]}); "
            f"take {DATASETS[skeleton]}'s file again"
        ) from error
    n_features = SKELETONS[skeleton].n_features
    if found.shape not in ((n_features,), (FULL_WIDTHS[skeleton],)):
        of = [name for name in DATASETS if found.shape in ((SKELETONS[name].n_features,), (FULL_WIDTHS[name],))]
        raise ConfigError(
            f"{path}: holds numbers of shape {found.shape}"
            + (f", those of {DATASETS[of[0]]} (skeleton {of[0]})" if of else "")
            + f"; skeleton {skeleton} needs {n_features}, or {FULL_WIDTHS[skeleton]} of which the first {n_features} "
            f"are taken: name {DATASETS[skeleton]}'s file by mean and std"
        )
    if found.dtype.newbyteorder("=") not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ConfigError(f"{path}: holds {found.dtype}, not float32 or float64; take the file of {DATASETS[skeleton]}")
    values: Statistics = np.array(found[:n_features], dtype=found.dtype.newbyteorder("="))
    wrong = np.flatnonzero(~np.isfinite(values))
    if wrong.size:
        raise ConfigError(
            f"{path}: feature {wrong[0]} is {values[wrong[0]]}, which is no finite number; "
            f"take {DATASETS[skeleton]}'s file again"
        )
    return values
