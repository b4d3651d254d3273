import base64
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.cnclip.data.lmdb_files import write_lmdb
from scripts.cnclip.data.texts import Text, read_texts
from scripts.cnclip.data.tsv import lines
from scripts.cnclip.data.unpack import lmdb_to_files
from scripts.shared.errors import ConfigError
from tests.unit.cnclip.data.conftest import Tables
from tests.unit.cnclip.data.test_lmdb_files import GOLDEN, make_by_hand


def test_an_official_lmdb_gives_back_its_pictures_and_the_texts_that_have_pairs(
    tables: Callable[..., Tables], tmp_path: Path
) -> None:
    made = tables((GOLDEN / "train_imgs.tsv").read_bytes(), (GOLDEN / "train_texts.jsonl").read_bytes())
    write_lmdb(made.tsv, made.pictures, made.texts, tmp_path / "lmdb")
    lmdb_to_files(tmp_path / "lmdb", tmp_path / "imgs.tsv", tmp_path / "texts.jsonl")
    assert sorted((tmp_path / "imgs.tsv").read_bytes().splitlines()) == sorted(made.tsv.read_bytes().splitlines())
    official = [json.loads(line) for line in (GOLDEN / "train_texts.jsonl").read_text(encoding="utf-8").splitlines()]
    given = [json.loads(line) for line in (tmp_path / "texts.jsonl").read_text(encoding="utf-8").splitlines()]
    assert given == [row for row in official if row["image_ids"]]


def test_a_strangers_values_cannot_add_lines_and_bad_pairs_are_told(tmp_path: Path) -> None:
    pairs = {
        b"0": pickle.dumps((5, 1, "a\n{}")),
        b"1": b"no pickle",
        b"2": pickle.dumps((5, 1, "a\n{}")),
        b"3": pickle.dumps((6, 1, "a\n{}")),
        b"num_samples": b"4",
    }
    good = base64.b64encode(b"picture")
    pictures = {b"5": good, b"6": good + b"\n7\t" + good, b"num_images": b"2"}
    make_by_hand(tmp_path / "lmdb", pairs, pictures)
    lmdb_to_files(tmp_path / "lmdb", tmp_path / "imgs.tsv", tmp_path / "texts.jsonl")
    assert [(line.image_id, line.data, line.error is None) for line in lines(tmp_path / "imgs.tsv")] == [
        (5, b"picture", True),
        (6, b"", False),
    ]
    first, bad, last = read_texts(tmp_path / "texts.jsonl")
    assert (first.text, last.text) == (Text(1, "a\n{}", (5,)), Text(1, "a\n{}", (5, 6)))
    assert bad.error is not None
    assert 'there is no \'text_id\' in {"error": "pair 1: the pickle was not loaded: ' in bad.error.message


def test_what_is_no_lmdb_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be opened"):
        lmdb_to_files(tmp_path, tmp_path / "imgs.tsv", tmp_path / "texts.jsonl")
