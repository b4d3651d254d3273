"""Features of frames that are made once, for trainings in which nothing of CLIP learns (`finetune: none`).

Then a region's feature cannot change, since it is taken from CLIP's own map: only videos are learnt from, by their
frames' pooled features, which fit in a file of a few hundred kB each.
"""

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scripts.shared import atomic_files
from scripts.shared.errors import SampleError

_DIGITS = 12  # of a digest in the name of a file


def features_dir(root: Path, weights_sha256: str, num_frames: int) -> Path:
    """Where the features lie that one network gives of so many frames an item."""
    return root / f"{weights_sha256[:16]}-{num_frames}"


def features_file(folder: Path, name: str, video: str) -> Path:
    """Where the features of an item lie, by its name and the digest of its video."""
    return folder / f"{name}.{video[:_DIGITS]}.npz"


def write_features(path: Path, numbers: NDArray[np.int64], pooled: NDArray[np.float32]) -> None:
    """Write what `FrozenFeatures` reads.

    Args:
        path: see `features_file`.
        numbers: (m,) of the frames.
        pooled: (m, D) float32; kept as float16.
    """
    held = io.BytesIO()
    np.savez(held, numbers=numbers, pooled=pooled.astype(np.float16))
    atomic_files.write_bytes(path, held.getvalue())


class FrozenFeatures(NamedTuple):
    """The features of all items.

    Attributes:
        folder: of the files.
        dim: D, their length.
    """

    folder: Path
    dim: int

    def read(self, name: str, video: str, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        """The pooled features of an item's frames, (m, D) float32.

        Args:
            name: of the item.
            video: digest of its video.
            numbers: (m,) of the frames that are wanted.

        Raises:
            SampleError: `no_features`: there are none, or they are of other frames.
        """
        path = features_file(self.folder, name, video)
        try:
            with np.load(path) as found:
                if np.array_equal(found["numbers"], numbers) and found["pooled"].shape == (len(numbers), self.dim):
                    pooled: NDArray[np.float32] = found["pooled"].astype(np.float32)
                    return pooled
            reason = "are of other frames"
        except (OSError, ValueError, KeyError) as error:
            reason = f"cannot be read ({error})"
        raise SampleError("no_features", f"{path}: the features {reason}; delete the folder, and they are made again")
