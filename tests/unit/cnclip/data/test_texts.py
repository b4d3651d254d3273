"""Captions: official lines are read as they are, and each odd one says what is wrong with it."""

import json
from pathlib import Path

import pytest

from scripts.cnclip.data import texts
from scripts.cnclip.data.texts import Text, begins_with_mark, read_good_texts, read_texts, text_row
from scripts.shared.errors import ConfigError, JobError

GOLDEN = Path("tests/data/golden/cnclip/lmdb_golden/train_texts.jsonl")
GOOD = b'{"text_id": 1, "text": "\xe7\x8c\xab", "image_ids": [5]}\n'


def written(folder: Path, content: bytes) -> Path:
    path = folder / "train_texts.jsonl"
    path.write_bytes(content)
    return path


def test_official_lines_are_read_and_written_with_the_same_content() -> None:
    read = list(read_good_texts(GOLDEN))
    official = [json.loads(line) for line in GOLDEN.read_text(encoding="utf-8").splitlines()]
    assert [json.loads(text_row(text)) for text in read] == official
    assert read[0] == Text(11, "俯瞰湖面的中国古塔", (58,))


@pytest.mark.parametrize(
    ("line", "text_id", "error", "words"),
    [
        (b"{", None, "bad_json", "no JSON"),
        (b"[1]", None, "bad_json", "not a JSON object but [1]"),
        (b"[" * 100_000, None, "bad_json", "no JSON"),
        (b'{"text_id": 2, "text": "a\0b", "image_ids": []}', None, "bad_json", "no JSON"),
        (b'{"text_id": 2, "text": "\xff", "image_ids": []}', None, "bad_json", "save the file as UTF-8"),
        (b'{"text": "a", "image_ids": []}', None, "bad_id", "there is no 'text_id'"),
        (b'{"text_id": "2", "text": "a", "image_ids": []}', None, "bad_id", "'text_id' is \"2\", not a whole number"),
        (b'{"text_id": 2.0, "text": "a", "image_ids": []}', None, "bad_id", "2.0"),
        (b'{"text_id": true, "text": "a", "image_ids": []}', None, "bad_id", "true"),
        (b'{"text_id": -1, "text": "a", "image_ids": []}', None, "bad_id", "-1"),
        (b'{"text_id": 9223372036854775808, "text": "a", "image_ids": []}', None, "bad_id", "9223372036854775808"),
        (b'{"text_id": 2, "text": "a", "image_ids": ["5"]}', 2, "bad_id", "'image_ids' is \"5\""),
        (b'{"text_id": 2, "text": "a", "image_ids": 5}', 2, "bad_id", "not a list"),
        (b'{"text_id": 2, "text": "a"}', 2, "bad_id", "[] where hidden"),
        (b'{"text_id": 2, "text": null, "image_ids": []}', 2, "bad_text", "'text' is null"),
        (b'{"text_id": 2, "text": " \\u3000 ", "image_ids": []}', 2, "empty_text", "empty"),
        (b'{"text_id": 2, "text": "a\\u0000b", "image_ids": []}', 2, "bad_text", "NUL"),
        (b'{"text_id": 2, "text": "a\\ud83d", "image_ids": []}', 2, "bad_text", "surrogate"),
    ],
)
def test_a_bad_line_says_why_and_stops_no_other(
    tmp_path: Path, line: bytes, text_id: int | None, error: str, words: str
) -> None:
    before, bad, after = read_texts(written(tmp_path, GOOD + line + b"\n" + GOOD.replace(b"1", b"3", 1)))
    assert (before.text, after.text) == (Text(1, "猫", (5,)), Text(3, "猫", (5,)))
    assert (bad.number, bad.text_id, bad.text) == (2, text_id, None)
    assert bad.error is not None
    assert bad.error.error == error
    assert words in bad.error.message


def test_a_mark_crlf_and_blank_lines_are_passed_over(tmp_path: Path) -> None:
    path = written(tmp_path, b"\xef\xbb\xbf" + GOOD.replace(b"\n", b"\r\n") + b"\n \r\n" + GOOD.strip())
    assert [(line.number, line.text) for line in read_texts(path)] == [
        (1, Text(1, "猫", (5,))),
        (4, Text(1, "猫", (5,))),
    ]
    assert begins_with_mark(path)
    assert not begins_with_mark(GOLDEN)


def test_a_line_beyond_the_limit_is_refused_without_being_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "MAX_LINE", 60)
    found = list(read_texts(written(tmp_path, GOOD + b'{"text": "' + b"x" * 500 + b'"}\n' + GOOD)))
    assert [(line.number, line.error and line.error.error) for line in found] == [
        (1, None),
        (2, "too_large"),
        (3, None),
    ]


def test_a_picture_named_twice_makes_one_pair(tmp_path: Path) -> None:
    (line,) = read_texts(written(tmp_path, GOOD.replace(b"[5]", b"[5, 7, 5]")))
    assert line.text == Text(1, "猫", (5, 7))


def test_an_empty_file_has_no_texts_and_an_absent_one_is_named(tmp_path: Path) -> None:
    assert list(read_texts(written(tmp_path, b""))) == []
    with pytest.raises(ConfigError, match=r"none.jsonl: No such file"):
        list(read_texts(tmp_path / "none.jsonl"))


def test_where_all_texts_must_be_good_a_bad_line_is_named(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"train_texts.jsonl: line 2: bad_json"):
        list(read_good_texts(written(tmp_path, GOOD + b"{\n")))
