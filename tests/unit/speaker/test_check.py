from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.shared.errors import JobError
from scripts.shared.safe_pickle import dumps
from scripts.speaker.check import listed_recordings, sample_checker
from scripts.speaker.embedding_file import embedding_pickle

CHECK = sample_checker({"model": "m", "model_digest": "1"})


def made(model: str = "m:1") -> bytes:
    return embedding_pickle(
        np.ones(4, np.float32), audio_file="/in/a.wav", relative_path="a.wav", duration=1.0, sample_rate=8000,
        model=model, frontend={},
    )  # fmt: skip


def wrong(content: Any) -> str:
    return CHECK({"embeddings/a.pkl": content})


def test_a_right_embedding_passes() -> None:
    assert wrong(made()) == ""


def test_what_is_wrong_with_an_embedding_is_said() -> None:
    assert "'model' is 'other:2', not m:1" in wrong(made("other:2"))
    assert "has no 'embedding'" in wrong(dumps({"relative_path": "a.wav"}))
    assert wrong(made()[:-10]) != ""
    assert CHECK({}) == "no file on record"


@pytest.mark.parametrize("array", [b"", b"no array", b"PK\3\4 no archive", None])
def test_an_array_that_cannot_be_read_is_named(tmp_path: Path, array: bytes | None) -> None:
    (tmp_path / "embeddings.csv").write_text("row,relative_path,duration\n")
    if array is not None:
        (tmp_path / "embeddings.npy").write_bytes(array)
    with pytest.raises(JobError, match=r"embeddings\.npy: cannot be read"):
        listed_recordings(tmp_path)
