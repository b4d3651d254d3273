"""Reading an index, whole or not at all."""

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from scripts.search.query.load import load
from scripts.shared.errors import JobError
from tests.unit.search.query.made import catalogue, random_unit, unit, write

SOME = {"a": unit((1, 0, 0)), "v.mp4": unit((0, 1, 0), (0, 0, 1)), "b": unit((1, 1, 0))}


def test_what_was_written_is_what_is_read(tmp_path: Path) -> None:
    made = catalogue(tmp_path, SOME)
    assert made.first.tolist() == [0, 1, 3, 4]
    assert made.is_video.tolist() == [False, True, False]
    assert made.frame_time[1:3].tolist() == [0.0, 2.0]
    assert np.isnan(made.frame_time[[0, 3]]).all()
    assert made.mtime_ns.tolist() == [100 * 10**9, 101 * 10**9, 102 * 10**9]
    np.testing.assert_allclose(made.vectors, np.concatenate(list(SOME.values())), atol=1e-6)


def test_an_index_of_nothing_can_be_read(tmp_path: Path) -> None:
    made = catalogue(tmp_path, {})
    assert len(made) == 0
    assert made.number_of_id(3) is None


def test_half_precision_stays_half(tmp_path: Path) -> None:
    assert catalogue(tmp_path, SOME, dtype="float16").vectors.dtype == np.float16


def test_a_missing_index_names_the_mend(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="search_index"):
        load(tmp_path / "assets.db")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE meta SET value = '9' WHERE key = 'n_vectors'", "vectors"),
        ("DELETE FROM meta WHERE key = 'dim'", "no index that can be read"),
        ("UPDATE meta SET value = 'many' WHERE key = 'dim'", "no index that can be read"),
        ("PRAGMA user_version = 7", "version 7"),
        ("UPDATE vector SET feat = x'00' WHERE id = 2", "length"),
        ("UPDATE vector SET feat = x'000000000000000000000000' WHERE id = 2", "unit length"),
        ("UPDATE vector SET feat = x'0000c07f0000c07f0000c07f' WHERE id = 2", "unit length"),  # NaN
        ("DELETE FROM asset WHERE path = 'f/b'", "not listed"),
        ("UPDATE vector SET asset_id = (SELECT asset_id FROM vector WHERE id = 1) WHERE id = 4", "together"),
        ("UPDATE asset SET status = 'failed' WHERE path = 'f/b'", "not listed"),
        ("UPDATE vector SET asset_id = 5 WHERE id = 4", "has no vectors"),
        ("UPDATE asset SET path = 'f/../../etc/passwd' WHERE path = 'f/b'", "none of its folders"),
        ("UPDATE asset SET path = '/etc/passwd' WHERE path = 'f/b'", "none of its folders"),
        ("UPDATE asset SET path = 'g/b' WHERE path = 'f/b'", "none of its folders"),
        ("UPDATE asset SET width = 'wide' WHERE path = 'f/b'", "no index that can be read"),
    ],
)
def test_what_is_not_as_it_should_be_is_refused_with_the_reason(tmp_path: Path, change: str, words: str) -> None:
    path = write(tmp_path / "assets.db", SOME)
    with sqlite3.connect(path) as database:
        database.execute(change)
    database.close()
    with pytest.raises(JobError, match=words) as refused:
        load(path)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize("keep", [0, 17, 5_000, 0.5, 0.9])
def test_an_index_cut_off_anywhere_is_refused(tmp_path: Path, keep: float) -> None:
    path = write(tmp_path / "assets.db", {f"{n:04}": row for n, row in enumerate(random_unit(500, 64))})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep if keep > 1 or not keep else keep * len(whole))])
    with pytest.raises(JobError):
        load(path)


def test_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "assets.db"
    path.write_bytes(b"\xff\xd8 a picture" * 1000)
    with pytest.raises(JobError, match="no index that can be read"):
        load(path)
