"""The index: what was written is read, equal content gives equal bytes, and damage is named."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from scripts.search.database import Asset, AssetVectors, asset_id, open_database, write_database
from scripts.shared.errors import JobError

META = {
    "dataset": "demo", "encoder": "conse", "model": "m", "model_identity": "a" * 32, "tokenizer_identity": "b" * 32,
    "dim": 4, "dtype": "float32", "frame_interval": 2, "min_score": "",
}  # fmt: skip
FOLDERS = {"pictures": "/data/pictures", "films": "films"}


def unit(n: int, seed: int = 0) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).standard_normal((n, 4)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def picture(path: str, **said: Any) -> Asset:
    return Asset(asset_id(path), path, "image", **said)


FILM = Asset(asset_id("films/a.mp4"), "films/a.mp4", "video", 9, 8, "c" * 40, 64, 48, 4.5)
CAT = picture("pictures/猫.jpg", size=7, width=640, height=480)
BAD = picture("pictures/bad.jpg", status="failed", error="damaged", message="cannot be decoded")
VECTORS = [
    AssetVectors(FILM.id, unit(3), np.array([0.0, 2.0, 4.0])),
    AssetVectors(CAT.id, unit(1, 1), np.zeros(0)),
]


def write(path: Path, **changes: Any) -> None:
    write_database(path, {**META, **changes}, FOLDERS, [FILM, BAD, CAT], VECTORS)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 0), ("float16", 6e-4)])
def test_what_was_written_is_read(tmp_path: Path, dtype: str, tolerance: float) -> None:
    write(tmp_path / "assets.db", dtype=dtype)
    with open_database(tmp_path / "assets.db") as database:
        assert list(database.assets()) == [FILM, BAD, CAT]
        assert database.folders == FOLDERS
        assert database.meta["n_assets"] == "3"
        assert database.meta["model_identity"] == "a" * 32
        features, ids, times = database.vectors()
    assert features.dtype == np.dtype(dtype)
    np.testing.assert_allclose(features, np.concatenate([unit(3), unit(1, 1)]), atol=tolerance)
    assert ids.tolist() == [FILM.id] * 3 + [CAT.id]
    assert times[:3].tolist() == [0, 2, 4]
    assert np.isnan(times[3])


def test_equal_content_gives_equal_bytes_and_takes_the_place_of_an_older_index(tmp_path: Path) -> None:
    write(tmp_path / "one.db")
    write(tmp_path / "two.db", dataset="other")
    assert (tmp_path / "one.db").read_bytes() != (tmp_path / "two.db").read_bytes()
    write(tmp_path / "two.db")
    assert (tmp_path / "one.db").read_bytes() == (tmp_path / "two.db").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.db", "two.db"]


def test_an_index_that_is_open_stays_as_it_was_while_another_takes_its_place(tmp_path: Path) -> None:
    write(tmp_path / "assets.db")
    with open_database(tmp_path / "assets.db") as database:
        write_database(tmp_path / "assets.db", META, {}, [], [])
        assert len(list(database.assets())) == 3
    with open_database(tmp_path / "assets.db") as database:
        features, ids, _ = database.vectors()
    assert features.shape == (0, 4)
    assert ids.shape == (0,)


def test_ids_are_stable_and_safe_in_javascript() -> None:
    assert asset_id("pictures/猫.jpg") == 1912972976611341
    assert all(0 <= asset_id(f"a/{number}.jpg") < 1 << 52 for number in range(1000))


def test_two_paths_of_one_id_are_refused_by_name(tmp_path: Path) -> None:
    twin = replace(CAT, path="pictures/dog.jpg")
    with pytest.raises(JobError, match=r"pictures/dog\.jpg.*pictures/猫\.jpg has its id"):
        write_database(tmp_path / "assets.db", META, FOLDERS, [CAT, twin], [])
    assert not list(tmp_path.iterdir())


def test_a_vector_that_is_no_unit_vector_is_refused(tmp_path: Path) -> None:
    for wrong in (unit(1) * 2, unit(1)[:, :3]):
        with pytest.raises(JobError, match="no unit vectors of 4"):
            write_database(tmp_path / "assets.db", META, {}, [CAT], [AssetVectors(CAT.id, wrong, np.zeros(0))])


def test_what_meta_lacks_is_named(tmp_path: Path) -> None:
    meta = {key: value for key, value in META.items() if key != "model_identity"}
    with pytest.raises(JobError, match="lacks model_identity"):
        write_database(tmp_path / "assets.db", meta, {}, [], [])


def test_no_index_one_of_another_version_and_a_damaged_one_are_refused_with_the_mend(tmp_path: Path) -> None:
    path = tmp_path / "assets.db"
    with pytest.raises(JobError, match=r"no index yet.*search_index"), open_database(path):
        pass
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 4096)
    with pytest.raises(JobError, match=r"no index that can be read.*search_index"), open_database(path):
        pass
    write(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 7")
    with pytest.raises(JobError, match="version 7, not 1"), open_database(path):
        pass


def test_an_index_that_lacks_a_vector_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "assets.db")
    with closing(sqlite3.connect(tmp_path / "assets.db")) as connection, connection:
        connection.execute("DELETE FROM vector WHERE id = 2")
    with open_database(tmp_path / "assets.db") as database, pytest.raises(JobError, match="holds 3 vectors, not 4"):
        database.vectors()
