"""The embeddings of a shard in one array, kept beside its ledger so that the index need not open a million pickles.

An entry is known by the digest of its pickle, so an array that is old, or gone, is never wrong: what it lacks is read
from the pickles.
"""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scripts.shared import atomic_files, layout
from scripts.shared.errors import JobError
from scripts.shared.fingerprints import digest_bytes
from scripts.shared.ledger import Row
from scripts.shared.planning.plan_file import PlanHeader
from scripts.shared.safe_pickle import UnsafePickleError, loads
from scripts.speaker.embedding_file import EmbeddingFileError, checked_embedding


def part_file(dataset_dir: Path, shard: str) -> Path:
    """Where the array of a shard lies."""
    return layout.state_dir(dataset_dir) / "embeddings" / "parts" / f"{shard}.npy"


def read_part(dataset_dir: Path, shard: str) -> NDArray[np.void]:
    """The array of a shard.

    Returns:
        (n,) with the fields `digest`, 16 bytes, and `embedding`, float32 (D,); n = 0 where there is none that can be
        used.
    """
    try:
        with part_file(dataset_dir, shard).open("rb") as file:
            # Not np.load, which takes what begins like an archive for one.
            found = np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError):
        return empty_part(0)
    is_part = found.ndim == 1 and found.dtype.names == ("digest", "embedding")
    return found if is_part else empty_part(0)


def empty_part(n: int, dim: int = 0) -> NDArray[np.void]:
    """An array for n embeddings."""
    return np.zeros(n, np.dtype([("digest", "V16"), ("embedding", np.float32, (dim,))]))


def write_part(header: PlanHeader, rows: Mapping[str, Row]) -> None:
    """Gather the embeddings of a shard's finished recordings; see `shard_job.run_shard`.

    Raises:
        JobError: a pickle does not hold what its row says.
    """
    dataset_dir = Path(header.dataset_dir)
    files = sorted(file_of(row) for row in rows.values() if row["status"] == "ok")
    known = by_digest(read_part(dataset_dir, header.shard))
    digests = [digest_key(digest) for _, digest in files]
    held = [
        known[key] if key in known else read_pickle(dataset_dir, name, digest)
        for key, (name, digest) in zip(digests, files, strict=True)
    ]
    part = empty_part(len(files), len(held[0]) if held else 0)
    part["digest"] = np.array(digests, "V16")
    if held:
        part["embedding"] = held
    data = io.BytesIO()
    np.save(data, part)
    atomic_files.write_bytes(part_file(dataset_dir, header.shard), data.getvalue())


def file_of(row: Row) -> tuple[str, str]:
    """Path of a finished recording's pickle, relative to the dataset's folder, and its digest."""
    ((name, (_, digest)),) = row["files"].items()
    return name, digest


def by_digest(part: NDArray[np.void]) -> dict[bytes, NDArray[np.float32]]:
    """The embeddings of a part by the digest of their pickles."""
    return dict(zip((digest.tobytes() for digest in part["digest"]), part["embedding"], strict=True))


def digest_key(digest: str) -> bytes:
    """A digest as a part holds it."""
    return bytes.fromhex(digest)


def read_pickle(dataset_dir: Path, name: str, digest: str) -> NDArray[np.float32]:
    """The embedding in a pickle.

    Raises:
        JobError: the pickle does not hold what its row says.
    """
    path = dataset_dir / name
    try:
        data = path.read_bytes()
        if digest_bytes(data) != digest:
            raise EmbeddingFileError("does not hold what was written")
        embedding: NDArray[np.float32] = checked_embedding(loads(data), name)["embedding"]
    except (OSError, UnsafePickleError, EmbeddingFileError) as error:
        raise JobError(f"{path}: {error}; run again with --config verify=digest: it is made again") from error
    return embedding
