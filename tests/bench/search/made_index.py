"""Indexes of made vectors, of any size, written by the pipeline's own writer; and the application that came before."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scripts.search.database import Asset, AssetVectors, asset_id, write_database

DIM, SHOWN = 512, 24
IDENTITY = "made"
_BLOCK = 1000
_QUERY = 1 << 40  # the seed of queries, which no block has

Vector = NDArray[np.float32]


def block(number: int) -> Vector:
    """A thousand unit vectors, (1000, 512) float32."""
    rows = np.random.default_rng(number).standard_normal((_BLOCK, DIM), dtype=np.float32)
    unit: Vector = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def query(number: int) -> Vector:
    """A unit vector, (512,) float32."""
    return block(_QUERY + number)[0]


def key(number: int) -> str:
    """The path of an asset."""
    return f"pictures/{number // _BLOCK:04}/{number % _BLOCK:03}.jpg"


def write_index(path: Path, n_assets: int, dtype: str) -> None:
    """An index of pictures, a vector each; `n_assets` in thousands."""
    meta = {
        "dataset": "made", "encoder": "onnx", "model": "made", "model_identity": IDENTITY,
        "tokenizer_identity": IDENTITY, "dim": DIM, "dtype": dtype, "frame_interval": 2, "min_score": "",
    }  # fmt: skip
    names = map(key, range(n_assets))
    assets = (
        Asset(asset_id(name), name, "image", 100_000, 10**18 + n, width=640, height=480) for n, name in enumerate(names)
    )
    write_database(path, meta, {"pictures": "/pictures"}, assets, _vectors(n_assets))


def _vectors(n_assets: int) -> Iterator[AssetVectors]:
    no_times = np.empty(0)
    for number in range(n_assets // _BLOCK):
        rows = block(number)
        for row in range(_BLOCK):
            yield AssetVectors(asset_id(key(number * _BLOCK + row)), rows[row : row + 1], no_times)


def nearest(n_assets: int, wanted: Vector, dtype: str) -> list[str]:
    """The nearest of all vectors as they are kept, in double precision, by path."""
    best: list[tuple[float, str]] = []
    for number in range(n_assets // _BLOCK):
        scores = block(number).astype(dtype).astype(np.float64) @ wanted.astype(np.float64)
        best += [
            (-round(float(scores[row]), 6), key(number * _BLOCK + int(row))) for row in np.argsort(-scores)[:SHOWN]
        ]
        best = sorted(best)[:SHOWN]
    return [path for _, path in best]


def write_old_table(path: Path, n_assets: int) -> None:
    """The table of the application that came before: vectors not normalised, beside the path."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "CREATE TABLE image (id INTEGER PRIMARY KEY, path VARCHAR(4096) UNIQUE, modify_time DATETIME, "
            "features BLOB, checksum VARCHAR(40))"
        )
        for number in range(n_assets // _BLOCK):
            rows = ((key(number * _BLOCK + n), (3 * row).tobytes()) for n, row in enumerate(block(number)))
            database.executemany("INSERT INTO image (path, features) VALUES (?, ?)", rows)


def search_old_table(path: Path, wanted: Vector) -> list[str]:
    """A query as that application answers it: all rows read, normalised, multiplied and sorted."""
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT id, path, features FROM image").fetchall()
    features = np.array([np.frombuffer(row[2], dtype=np.float32) for row in rows])
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    scores = features @ wanted
    return [rows[number][1] for number in np.argsort(-scores)[:SHOWN]]
