import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.shared.safe_pickle import dumps
from scripts.speaker.embedding_file import EmbeddingFileError, checked_embedding, embedding_pickle, read_embedding

FRONTEND = {"window": "hamming", "scale": 32768, "resampler": "soxr", "channel": "mean", "decoder": "soundfile"}


def pickled(embedding: Any = None, **changed: Any) -> bytes:
    given: dict[str, Any] = {
        "audio_file": "/data/alice/a.wav",
        "relative_path": "alice/a.wav",
        "duration": 1.5,
        "sample_rate": 44100,
        "model": "resnet:abc",
        "frontend": FRONTEND,
    }
    return embedding_pickle(np.arange(1, 4, dtype=np.float32) if embedding is None else embedding, **given | changed)


def test_a_pickle_has_the_keys_that_were_promised() -> None:
    value = pickle.loads(pickled())
    np.testing.assert_array_equal(value.pop("embedding"), np.float32([1, 2, 3]))
    assert value == {
        "audio_file": "/data/alice/a.wav",
        "relative_path": "alice/a.wav",
        "filename": "a.wav",
        "duration": 1.5,
        "sample_rate": 44100,
        "embedding_dim": 3,
        "model": "resnet:abc",
        "frontend": FRONTEND,
    }


def test_a_pickle_is_of_protocol_4_with_the_names_of_numpy_1() -> None:
    data = pickled()
    assert data[:2] == b"\x80\x04"
    assert b"numpy.core.multiarray" in data
    assert b"numpy._core" not in data


def test_parts_are_told_where_there_are_several() -> None:
    assert pickle.loads(pickled(parts=3))["parts"] == 3
    assert "parts" not in pickle.loads(pickled(parts=1))


def test_equal_values_give_equal_bytes() -> None:
    assert pickled() == pickled()
    assert pickled() != pickled(duration=1.6)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickled(relative_path="ünï/\udcff.wav"))
    value = read_embedding(tmp_path / "a.pkl")
    assert value["relative_path"] == "ünï/\udcff.wav"
    assert value["embedding"].dtype == np.float32


def test_pickles_of_other_programs_need_an_embedding_and_a_path_only(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"embedding": np.ones(5), "relative_path": "a.wav"}))
    value = read_embedding(tmp_path / "a.pkl")
    assert (value["embedding"].dtype, value["embedding"].shape) == (np.float32, (5,))


GOOD: dict[str, Any] = {"embedding": np.ones(3, np.float32), "relative_path": "a.wav", "embedding_dim": 3}
BAD = [
    ([1, 2], "list"),
    ({"relative_path": "a"}, "'embedding'"),
    ({"embedding": np.ones(3, np.float32)}, "'relative_path'"),
    (GOOD | {"relative_path": b"a"}, "'relative_path'"),
    (GOOD | {"duration": "long"}, "'duration'"),
    (GOOD | {"duration": True}, "'duration'"),
    (GOOD | {"duration": float("nan")}, "not a length in seconds"),
    (GOOD | {"duration": -1}, "not a length in seconds"),
    (GOOD | {"duration": 10**400}, "not a length in seconds"),
    (GOOD | {"sample_rate": 1.5}, "'sample_rate'"),
    (GOOD | {"model": None}, "'model'"),
    (GOOD | {"embedding": [1.0, 2.0, 3.0]}, "one dimension"),
    (GOOD | {"embedding": np.ones((1, 3), np.float32)}, "one dimension"),
    (GOOD | {"embedding": np.ones(3, np.int64)}, "one dimension"),
    (GOOD | {"embedding": np.ones(0, np.float32)}, "one dimension"),
    (GOOD | {"embedding": np.array([1, np.nan, 1], np.float32)}, "NaN"),
    (GOOD | {"embedding": np.array([1, 1e300, 1])}, "infinity"),
    (GOOD | {"embedding": np.zeros(3, np.float32)}, "zeros"),
    (GOOD | {"embedding_dim": 4}, "'embedding_dim' is 4"),
]


@pytest.mark.parametrize(("value", "named"), BAD)
def test_what_is_no_embedding_is_refused_by_name(value: Any, named: str) -> None:
    with pytest.raises(EmbeddingFileError, match=named) as caught:
        checked_embedding(value, "a.pkl")
    assert str(caught.value).startswith("a.pkl: ")


def test_a_good_embedding_is_kept_with_whatever_else_it_holds() -> None:
    assert checked_embedding(GOOD | {"more": 1}, "a.pkl")["more"] == 1


def test_numbers_may_be_those_of_numpy() -> None:
    value = GOOD | {"duration": np.float32(1.5), "sample_rate": np.int64(16000), "embedding_dim": np.int32(3)}
    assert checked_embedding(value, "a.pkl")["duration"] == 1.5


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("exploded"),))


@pytest.mark.parametrize("data", [b"", b"no pickle", pickle.dumps(Bomb()), pickled()[:-20], dumps({"a": 1})])
def test_a_file_that_is_unsafe_or_damaged_is_refused_by_name(
    data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pkl").write_bytes(data)
    with pytest.raises(EmbeddingFileError, match=r"a\.pkl: "):
        read_embedding(tmp_path / "a.pkl")
    assert not Path("exploded").exists()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingFileError, match=r"none\.pkl: cannot be read: No such file"):
        read_embedding(tmp_path / "none.pkl")
