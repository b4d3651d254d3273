"""Finished samples: what is wrong with one is said in words."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from scripts.clip4mc.check import listed_folders, sample_checker
from scripts.shared.clip_tokens import ClipTokenizer
from scripts.shared.errors import JobError
from scripts.shared.pickle_head import HEAD_BYTES
from scripts.shared.safe_pickle import dumps

SETTINGS = {"num_frames": 3, "frame_height": 4, "frame_width": 5, "tokenizer": "embedded"}


def files(**changes: bytes) -> dict[str, bytes]:
    tokens = np.zeros(77, np.int64)
    tokens[:3] = 49406, 320, 49407
    return {
        "video_input.pkl": dumps(np.zeros((3, 4, 5, 3), np.uint8))[:HEAD_BYTES],
        "text_input.pkl": dumps({"tokens": tokens}),
        "size.json": b"[0.0, 0.5, 1.0]",
        **{name.replace("__", "."): data for name, data in changes.items()},
    }


def test_a_right_sample_passes() -> None:
    assert sample_checker(SETTINGS)(files()) == ""


def test_what_the_tokenizer_makes_passes() -> None:
    made = dumps({"tokens": ClipTokenizer.embedded().encode("a player mines " * 60)})
    assert sample_checker(SETTINGS)(files(text_input__pkl=made)) == ""


def tokens(change: Callable[[np.ndarray], object]) -> bytes:
    made = np.zeros(77, np.int64)
    made[:3] = 49406, 320, 49407
    change(made)
    return dumps({"tokens": made})


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("video_input__pkl", dumps(np.zeros((2, 4, 5, 3), np.uint8)), "uint8 (2, 4, 5, 3), not uint8 (3, 4, 5, 3)"),
        ("video_input__pkl", dumps(np.zeros((3, 4, 5, 3), np.int8)), "int8 (3, 4, 5, 3), not uint8"),
        ("video_input__pkl", b"torn", "does not begin as the pickle of an array"),
        ("text_input__pkl", b"torn", "the pickle was not loaded"),
        ("text_input__pkl", dumps([1]), "no 'tokens' of int64 (77,)"),
        ("text_input__pkl", dumps({"tokens": [49406] * 77}), "no 'tokens' of int64 (77,)"),
        ("text_input__pkl", dumps({"tokens": np.zeros(76, np.int64)}), "no 'tokens' of int64 (77,)"),
        ("text_input__pkl", dumps({"tokens": np.zeros(77, np.int32)}), "no 'tokens' of int64 (77,)"),
        ("text_input__pkl", tokens(lambda ids: ids.__setitem__(0, 1)), "do not begin with 49406"),
        ("text_input__pkl", tokens(lambda ids: ids.__setitem__(2, 1)), "or have no 49407"),
        ("size__json", b"[0.0, 0.5", "size.json: no JSON"),
        ("size__json", b"\xff", "size.json: no JSON"),
        ("size__json", b"[" * 100_000, "size.json: no JSON"),
        ("size__json", b"[0.0, 0.5]", "size.json: not 3 numbers from 0 to 1"),
        ("size__json", b"[0.0, 0.5, 1.01]", "size.json: not 3 numbers from 0 to 1"),
        ("size__json", b"[0.0, 0.5, NaN]", "size.json: not 3 numbers from 0 to 1"),
        ("size__json", b'{"0": 0.0, "1": 0.0, "2": 0.0}', "size.json: not 3 numbers from 0 to 1"),
    ],
)
def test_what_is_wrong_is_said(name: str, data: bytes, says: str) -> None:
    assert says in sample_checker(SETTINGS)(files(**{name: data}))


def test_a_tokenizer_of_the_users_own_may_number_its_tokens_otherwise() -> None:
    held = files(text_input__pkl=tokens(lambda ids: ids.__setitem__(slice(3), (7, 1, 8))))
    assert sample_checker(SETTINGS | {"tokenizer": "vocab.json:0123"})(held) == ""
    assert "do not begin with 49406" in sample_checker(SETTINGS)(held)


def test_a_file_that_no_row_names_is_said() -> None:
    held = files()
    del held["size.json"]
    assert sample_checker(SETTINGS)(held) == "no size.json on record"


def test_the_folders_of_all_splits_are_listed(tmp_path: Path) -> None:
    info = tmp_path / "dataset_info.json"
    info.write_text(json.dumps({"train": ["b", "/x/a"], "val": [], "test": ["c"]}))
    assert listed_folders(tmp_path) == ["b", "/x/a", "c"]
    for content in ("", "[]", '{"train": []}', '{"train": 5, "val": [], "test": []}', "5", "[" * 100_000):
        info.write_text(content)
        with pytest.raises(JobError, match=r"dataset_info.json: no lists of train, val, test"):
            listed_folders(tmp_path)
    info.unlink()
    with pytest.raises(JobError, match="No such file"):
        listed_folders(tmp_path)
