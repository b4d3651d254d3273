"""Lines of a TSV: whatever one holds, the others are read."""

import base64
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.cnclip.data import tsv
from scripts.cnclip.data.ranges import byte_range
from scripts.cnclip.data.tsv import Place, lines, picture_at, places
from scripts.shared.errors import ConfigError, JobError, SampleError


def written(folder: Path, content: bytes) -> Path:
    path = folder / "train_imgs.tsv"
    path.write_bytes(content)
    return path


def row(image_id: int | str, data: bytes) -> bytes:
    return f"{image_id}\t".encode() + base64.b64encode(data) + b"\n"


def found(path: Path) -> list[tuple[int | None, bytes, str]]:
    return [(line.image_id, line.data, line.error.error if line.error else "") for line in lines(path)]


def test_good_lines_give_ids_and_bytes(tmp_path: Path) -> None:
    path = written(tmp_path, row(17, b"one") + row(3, b"two\x00\xff"))
    assert found(path) == [(17, b"one", ""), (3, b"two\x00\xff", "")]


@pytest.mark.parametrize(
    ("line", "image_id", "error"),
    [
        (b"5 no tab\n", None, "bad_line"),
        (b"5\tYWJj\tmore\n", 5, "bad_line"),
        (b"\tYWJj\n", None, "bad_id"),
        (b"five\tYWJj\n", None, "bad_id"),
        (b"5.0\tYWJj\n", None, "bad_id"),
        (b"-5\tYWJj\n", None, "bad_id"),
        (b"9223372036854775808\tYWJj\n", None, "bad_id"),
        (b"5\t\n", 5, "empty_picture"),
        (b"5\tYW\0Jj\n", 5, "bad_base64"),
        (b"5\tYWJ\n", 5, "bad_base64"),
        (b"5\tYW Jj\n", 5, "bad_base64"),
        (b"5\tYW==Jj\n", 5, "bad_base64"),
        ("5\t图片\n".encode(), 5, "bad_base64"),
        (b"\0\n", None, "bad_line"),
    ],
)
def test_a_bad_line_says_why_and_stops_no_other(tmp_path: Path, line: bytes, image_id: int, error: str) -> None:
    path = written(tmp_path, row(1, b"before") + line + row(2, b"after"))
    assert found(path) == [(1, b"before", ""), (image_id, b"", error), (2, b"after", "")]


def test_a_mark_crlf_blank_lines_and_a_missing_last_end_are_passed_over(tmp_path: Path) -> None:
    path = written(tmp_path, b"\xef\xbb\xbf1\tYWJj\r\n\r\n  \n\n007\tYWJk\t ")
    assert found(path) == [(1, b"abc", ""), (7, b"abd", "")]


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    assert found(written(tmp_path, b"")) == []


def test_both_alphabets_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, b"1\t_-8=\n2\t/+8=\n")
    assert [line.data for line in lines(path)] == [b"\xff\xef", b"\xff\xef"]


def test_a_line_beyond_the_limit_is_refused_and_its_id_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tsv, "MAX_LINE", 100)
    path = written(tmp_path, row(1, b"x" * 200) + row(2, b"small"))
    assert found(path) == [(1, b"", "too_large"), (2, b"small", "")]


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    content=st.lists(st.sampled_from([b"", b"\n", b"a", b"bc", b"\r\n", b"12345"]), max_size=20).map(b"".join),
    n=st.integers(1, 9),
    chunk=st.integers(1, 7),
)
def test_every_line_belongs_to_exactly_one_range(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, n: int, chunk: int
) -> None:
    path = written(tmp_path_factory.mktemp("ranges"), content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tsv, "_CHUNK", chunk)
        in_parts = [place for shard in range(n) for place in places(path, *byte_range(shard, n, len(content)))]
    expected, offset = [], 0
    for line in content.split(b"\n"):
        if line:
            expected.append(Place(offset, len(line)))
        offset += len(line) + 1
    assert in_parts == expected


def test_a_picture_is_read_again_at_its_place(tmp_path: Path) -> None:
    path = written(tmp_path, row(1, b"one") + row(2, b"two"))
    with path.open("rb") as file:
        for line in lines(path):
            assert picture_at(file, line.offset, line.length, line.image_id) == line.data


def test_a_file_that_was_changed_since_its_check_is_noticed(tmp_path: Path) -> None:
    path = written(tmp_path, row(1, b"one") + row(2, b"two"))
    with path.open("rb") as file, pytest.raises(JobError, match="picture 2 is no longer at byte 0: changed since"):
        picture_at(file, 0, 6, 2)


def test_a_file_that_is_absent_is_named() -> None:
    with pytest.raises(ConfigError, match=r"none/train_imgs.tsv: No such file.*root"):
        list(lines(Path("none/train_imgs.tsv")))


def test_a_picture_of_no_bytes_is_told_from_bad_base64() -> None:
    with pytest.raises(SampleError, match="empty_picture"):
        tsv.from_base64(b"")
    assert tsv.line_at(io.BytesIO(b"   "), 0, 3) is None
