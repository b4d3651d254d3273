"""The motion clips that the toy model learns, with several captions each."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from scripts.pose.skeleton import SKELETONS
from scripts.shared.csv_errors import csv_errors
from scripts.shared.errors import ConfigError

SKELETON = SKELETONS["t2m"]
SHORTEST, LONGEST = 16, 64  # frames of a crop
_COLUMNS = ("clip", "caption")
_LEAST_STD = 1e-3  # metres, or metres a frame: what hardly moves must not become noise


@dataclass(frozen=True)
class Clip:
    """One motion.

    Attributes:
        name: as the file of motions has it.
        features: (T, 67) float32, see `scripts.pose.features`.
        joints: (T, 22, 3) float32, metres.
        captions: those trained with.
        held_out: the caption kept from the training, to test with.
    """

    name: str
    features: NDArray[np.float32]
    joints: NDArray[np.float32]
    captions: tuple[str, ...]
    held_out: str


def read_clips(motions: Path, captions: Path) -> list[Clip]:
    """Read the clips and their captions; the last caption of each clip is the one held out.

    Args:
        motions: npz with `<name>_features` (T, 67) and `<name>_joints` (T, 22, 3) of each clip.
        captions: CSV with the columns `clip` and `caption`, at least two rows a clip.

    Returns:
        The clips in the order of their names.

    Raises:
        ConfigError: a file cannot be read, a clip has another shape or numbers that are not finite, too few captions,
            or a caption names no clip.
    """
    arrays = _read_arrays(motions)
    wordings = _read_captions(captions)
    names = sorted(key.removesuffix("_features") for key in arrays if key.endswith("_features"))
    unknown = sorted(set(wordings) - set(names))
    if unknown:
        raise ConfigError(f"{captions}: no clip '{unknown[0]}' in {motions}; it has {', '.join(names)}")
    return [_clip(name, arrays, wordings.get(name, []), motions, captions) for name in names]


def mean_and_std(clips: Sequence[Clip]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation over the frames of all clips.

    Returns:
        Two (67,) float32; deviations below 1 mm count as 1 mm.
    """
    frames = np.concatenate([clip.features for clip in clips]).astype(np.float64)
    return frames.mean(0).astype(np.float32), np.maximum(frames.std(0), _LEAST_STD).astype(np.float32)


def looped(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """A clip too short for one crop is a stride of a cycle: repeat it until the longest crop fits.

    Features go on where they end, since they hold velocities and positions seen from the root.

    Args:
        features: (T, F).

    Returns:
        (T, F), or (n * T, F) with n * T at least `LONGEST` where T is below `SHORTEST`.
    """
    if len(features) >= SHORTEST:
        return features
    return np.tile(features, (-(-LONGEST // len(features)), 1))


def _read_arrays(path: Path) -> dict[str, NDArray[np.float32]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except OSError as refused:
        raise ConfigError(f"{path}: {refused.strerror or refused}; is this the file of motion clips?") from refused
    except (ValueError, EOFError, BadZipFile, AttributeError) as refused:  # AttributeError: one array, no archive
        raise ConfigError(f"{path}: no npz of arrays: {refused}") from refused


def _read_captions(path: Path) -> dict[str, list[str]]:
    wordings: dict[str, list[str]] = {}
    with csv_errors(path, ConfigError, "is this the file of captions?"), path.open(encoding="utf-8-sig") as file:
        rows = csv.DictReader(file, strict=True)
        if tuple(rows.fieldnames or ()) != _COLUMNS:
            raise ConfigError(
                f"{path}: the columns must be {','.join(_COLUMNS)}, not {','.join(rows.fieldnames or ())}"
            )
        for row in rows:
            clip, caption = row["clip"], (row["caption"] or "").strip()
            if not caption:
                raise ConfigError(f"{path}: line {rows.line_num}: no caption; give one, or remove the line")
            wordings.setdefault(clip, []).append(caption)
    return wordings


def _clip(
    name: str, arrays: dict[str, NDArray[np.float32]], wordings: list[str], motions: Path, captions: Path
) -> Clip:
    if len(wordings) < 2:
        raise ConfigError(f"{captions}: clip '{name}' has {len(wordings)} captions; it takes two, one to test with")
    features = arrays[f"{name}_features"]
    joints = arrays.get(f"{name}_joints", np.empty(0, np.float32))
    n_frames = len(features) if features.ndim else 0
    wanted = {
        "features": (features, (n_frames, SKELETON.n_features)),
        "joints": (joints, (n_frames, SKELETON.n_joints, 3)),
    }
    for part, (array, shape) in wanted.items():
        if array.shape != shape or not n_frames:
            raise ConfigError(f"{motions}: {name}_{part} must be {shape} with at least one frame, not {array.shape}")
        if not np.isfinite(array).all():
            raise ConfigError(f"{motions}: {name}_{part} has numbers that are not finite")
    return Clip(
        name,
        features.astype(np.float32),
        joints.astype(np.float32),
        captions=tuple(wordings[:-1]),
        held_out=wordings[-1],
    )
