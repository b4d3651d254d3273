import json
from pathlib import Path
from typing import Any

import pytest

from scripts.clip4mc.metadata import MetadataList, read_info_csv
from scripts.shared.errors import PlanningError

GOOD = {"vid": "abc", "begin position": 1, "end position": 2.5, "transcript clip": "a cow", "size": [0.1, 1]}
INFO = "url,filename\nhttps://www.youtube.com/watch?v=abc,abc.mp4\n"


def lists(tmp_path: Path, rows: Any, info: str = INFO) -> MetadataList:
    (tmp_path / "metadata.json").write_text(rows if isinstance(rows, str) else json.dumps(rows))
    (tmp_path / "info.csv").write_text(info)
    return MetadataList(tmp_path / "metadata.json", tmp_path / "info.csv")


def entries(tmp_path: Path, rows: Any, info: str = INFO) -> list[tuple[str, str, dict[str, Any]]]:
    return [(key, source, json.loads(entry)) for key, source, entry in lists(tmp_path, rows, info).read()]


def error_of(tmp_path: Path, info: str = INFO, **changes: Any) -> list[str]:
    row = {key: value for key, value in (GOOD | changes).items() if value != "absent"}
    [_, (_, _, entry), _] = entries(tmp_path, [GOOD, row, GOOD], info)  # it stops no other
    error: list[str] = entry["error"]
    return error


def remarks(tmp_path: Path, rows: Any, info: str = INFO) -> list[str]:
    listed = lists(tmp_path, rows, info)
    assert list(listed.read())
    return listed.remarks()


def info_file(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "info.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_row_becomes_an_entry_with_its_videos_file_and_its_interval(tmp_path: Path) -> None:
    [entry] = entries(tmp_path, [GOOD])
    assert entry == (
        "sample_000000_abc",
        "abc.mp4",
        {"source": "abc.mp4", "caption": "a cow", "size": [0.1, 1], "interval": [1.0, 2.5]},
    )


def test_seconds_are_the_same_entry_as_a_whole_number_and_as_a_float(tmp_path: Path) -> None:
    whole, point = (
        list(lists(tmp_path, [GOOD | {"begin position": begin, "end position": end}]).read())
        for begin, end in ((1, 2), (1.0, 2.0))
    )
    assert whole == point


def test_json_lines_a_pinned_index_and_a_list_of_words_work_as_in_a_pairs_file(tmp_path: Path) -> None:
    row = GOOD | {"index": 7, "transcript": ["a", "red", "cow"]}
    [(key, _, entry)] = entries(tmp_path, json.dumps(row) + "\n")
    assert (key, entry["caption"]) == ("sample_000007_abc", "a red cow")


@pytest.mark.parametrize("field", ["begin position", "end position"])
@pytest.mark.parametrize(
    "value", ["absent", None, "1.5", True, [1], float("nan"), float("inf"), -float("inf"), 10**400, 1e300]
)
def test_a_position_that_is_no_number_of_seconds_fails_its_row(tmp_path: Path, field: str, value: Any) -> None:
    error, message = error_of(tmp_path, **{field: value})
    assert error == "bad_interval"
    assert message.startswith("metadata.json: row 1: 'begin position' is ")
    assert "and 'end position' is " in message


@pytest.mark.parametrize(("begin", "end"), [(2.5, 1), (2, 2), (-1, 2), (-2, -1), (0, 0), (0, -0.0)])
def test_an_interval_that_ends_before_it_begins_or_begins_below_zero_fails_its_row(
    tmp_path: Path, begin: float, end: float
) -> None:
    error, message = error_of(tmp_path, **{"begin position": begin, "end position": end})
    assert error == "bad_interval"
    assert f"'begin position' is {float(begin)} and 'end position' is {float(end)};" in message


def test_a_video_that_info_csv_does_not_have_fails_its_row_by_name(tmp_path: Path) -> None:
    assert error_of(tmp_path, vid="xyz") == [
        "no_video_for_id",
        "metadata.json: row 1: 'vid' is 'xyz', and info.csv has no row for it; add its url and filename",
    ]


def test_a_video_with_two_files_fails_its_rows_as_nobody_knows_which_is_meant(tmp_path: Path) -> None:
    info = INFO + "youtu.be/two,first.mp4\nhttps://youtu.be/two,second.mp4\n"
    error, message = error_of(tmp_path, info, vid="two")
    assert error == "two_videos_for_id"
    assert "first.mp4 and second.mp4" in message


def test_a_row_of_info_csv_that_is_said_twice_is_no_error(tmp_path: Path) -> None:
    info = INFO + "https://youtu.be/abc,/other/folder/abc.mp4\n"
    assert entries(tmp_path, [GOOD], info)[0][1] == "abc.mp4"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"vid": "../x"}, "bad_vid"),
        ({"vid": "absent"}, "bad_vid"),
        ({"index": -1}, "bad_index"),
        ({"index": 0}, "duplicate"),
        ({"transcript clip": "absent"}, "bad_caption"),
        ({"size": [2]}, "bad_size"),
    ],
)
def test_what_fails_a_pair_fails_a_row_and_is_called_a_row(tmp_path: Path, changes: dict[str, Any], error: str) -> None:
    found, message = error_of(tmp_path, **changes)
    assert found == error
    assert message.startswith("metadata.json: row 1")


def test_a_row_that_is_no_object_fails_alone(tmp_path: Path) -> None:
    found = entries(tmp_path, [GOOD, 5, GOOD])
    assert [entry.get("error", [None])[0] for _, _, entry in found] == [None, "bad_row", None]


@pytest.mark.parametrize(
    "url",
    [
        "https://www.youtube.com/watch?v=Ab-_3",
        "https://www.youtube.com/watch?v=Ab-_3&t=17s",
        "http://youtube.com/watch?time_continue=1&v=Ab-_3#top",
        "youtube.com/watch?v=Ab-_3",
        "https://youtu.be/Ab-_3",
        "https://youtu.be/Ab-_3?t=4",
        "https://www.youtube.com/shorts/Ab-_3/",
        "/videos/Ab-_3",
        "Ab-_3",
        "  Ab-_3 ",
    ],
)
def test_the_id_is_the_v_parameter_or_the_last_part_of_the_path(tmp_path: Path, url: str) -> None:
    assert read_info_csv(info_file(tmp_path, f"url,filename\n{url},a.mp4\n")).name_of == {"Ab-_3": "a.mp4"}


def test_info_csv_may_be_quoted_have_more_columns_in_any_order_blank_lines_and_a_mark(tmp_path: Path) -> None:
    text = '\ufefftitle,filename, url\r\n"A, ""B"" and\r\nC","a, b.mp4",youtu.be/x\r\n\r\nd,/data/videos/y.mkv,y\r\n'
    assert read_info_csv(info_file(tmp_path, text)).name_of == {"x": "a, b.mp4", "y": "y.mkv"}


@pytest.mark.parametrize(
    "line", ["", "youtu.be/x", ",a.mp4", "youtu.be/x,", "youtu.be/x,..", "http://[x,a.mp4", "/,a.mp4"]
)
def test_a_row_of_info_csv_without_id_or_file_name_is_left_out_with_a_note(tmp_path: Path, line: str) -> None:
    found = read_info_csv(info_file(tmp_path, f"{INFO}{line}\nyoutu.be/z,z.mp4\n"))
    assert found.name_of == {"abc": "abc.mp4", "z": "z.mp4"}
    assert found.unusable == ([3] if line else [])
    [note, *_] = remarks(tmp_path, [GOOD], f"{INFO}{line}\n") or [""]
    assert ("1 rows name no video id or no file and are left out, such as line 3" in note) == bool(line)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no column 'url' in its first line (nothing)"),
        (b"url;filename\nx;y\n", "no column 'url' in its first line ('url;filename')"),
        (b"url,file\nx,y\n", "no column 'filename' in its first line ('url', 'file')"),
        (b"https://youtu.be/x,x.mp4\n", "it must be a header with the columns url and filename"),
        (b"url,filename\nx,\xe9.mp4\n", "not UTF-8 (byte 15)"),
        (b'url,filename\nx,"' + b"a" * 200_000, "field limit (131072); is a quotation mark left open"),
    ],
)
def test_an_info_csv_that_is_none_is_named_with_the_mend(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(PlanningError, match=r"info\.csv: ") as error:
        read_info_csv(info_file(tmp_path, content))
    assert says in str(error.value)


def test_an_info_csv_that_is_absent_is_named_with_its_option(tmp_path: Path) -> None:
    with pytest.raises(PlanningError, match=r"none\.csv: No such file.*info_csv"):
        list(MetadataList(tmp_path / "metadata.json", tmp_path / "none.csv").read())


def test_rows_of_one_interval_of_one_video_are_samples_each_and_are_noted(tmp_path: Path) -> None:
    info = INFO + "youtu.be/d,d.mp4\n"
    other = GOOD | {"end position": 3}
    rows = [
        other,
        GOOD,
        GOOD | {"vid": "d"},
        5,
        GOOD | {"transcript clip": "else"},
        other,
        GOOD | {"begin position": 1.0},
    ]
    assert len({key for key, _, _ in entries(tmp_path, rows, info)}) == 7
    [note] = remarks(tmp_path, rows, info)
    assert "3 rows have the video and the interval of an earlier row, such as row 4 those of row 1;" in note


def test_there_is_nothing_to_note_of_a_good_list_however_often_it_is_read(tmp_path: Path) -> None:
    listed = lists(tmp_path, [GOOD, GOOD | {"begin position": 0}])
    for _ in range(2):
        assert len(list(listed.read())) == 2
        assert listed.remarks() == []
