"""An index of made vectors."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.search.database import Asset, AssetVectors, asset_id, write_database
from scripts.search.query.catalogue import Catalogue
from scripts.search.query.load import load

Vectors = dict[str, Any]


def unit(*rows: tuple[float, ...]) -> NDArray[np.float32]:
    """Rows brought to unit length."""
    made = np.array(rows, dtype=np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def write(path: Path, vectors: Vectors, *, interval: float = 2.0, dtype: str = "float32", **meta: Any) -> Path:
    """An index of pictures (a row each) and videos (names with .mp4, a row a frame), listed in order of the dict."""
    assets, rows = [], []
    for number, (name, own) in enumerate(vectors.items()):
        key, made = f"f/{name}", np.atleast_2d(own).astype(np.float32)
        times = np.arange(len(made)) * interval if name.endswith(".mp4") else np.empty(0)
        kind: Any = "video" if len(times) else "image"
        duration = len(times) * interval if len(times) else None
        facts = {"size": 10 + number, "mtime_ns": (100 + number) * 10**9, "width": 64, "height": 48}
        assets.append(Asset(asset_id(key), key, kind, **facts, duration=duration))
        rows.append(AssetVectors(asset_id(key), made, times))
    dim = rows[0].features.shape[1] if rows else 3
    told: dict[str, Any] = {
        "dataset": "made", "encoder": "conse", "model": "made", "model_identity": "made", "tokenizer_identity": "made",
        "dim": dim, "dtype": dtype, "frame_interval": interval, "min_score": "",
    }  # fmt: skip
    write_database(path, {**told, **meta}, {"f": str(path.parent / "f")}, assets, rows)
    return path


def catalogue(place: Path, vectors: Vectors, **more: Any) -> Catalogue:
    """The same, in memory."""
    return load(write(place / "assets.db", vectors, **more))


def random_unit(n: int, dim: int, seed: int = 0) -> NDArray[np.float32]:
    """Vectors without a structure."""
    return unit(*np.random.default_rng(seed).standard_normal((n, dim)).tolist())
