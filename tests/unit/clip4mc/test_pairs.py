import json
from pathlib import Path
from typing import Any

import pytest

from scripts.clip4mc.pairs import read_pairs
from scripts.shared.errors import PlanningError

GOOD = {"vid": "abc", "transcript": "a cow", "clip_path": "/old/machine/cow.mp4", "size": [0.1, 1]}


def entries(tmp_path: Path, pairs: Any, name: str = "pairs.json") -> list[tuple[str, str, dict[str, Any]]]:
    path = tmp_path / name
    path.write_text(pairs if isinstance(pairs, str) else json.dumps(pairs))
    return [(key, source, json.loads(entry)) for key, source, entry in read_pairs(path)]


def error_of(tmp_path: Path, **changes: Any) -> tuple[str, str]:
    pair = {key: value for key, value in (GOOD | changes).items() if value != "absent"}
    [(_, _, entry)] = entries(tmp_path, [pair])
    return tuple(entry["error"])


def test_a_pair_becomes_an_entry_with_the_clips_file_name_only(tmp_path: Path) -> None:
    [entry] = entries(tmp_path, [GOOD])
    assert entry == (
        "sample_000000_abc",
        "cow.mp4",
        {"source": "cow.mp4", "caption": "a cow", "size": [0.1, 1]},
    )


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("sample_000000_abc/clip.mp4", "sample_000000_abc/clip.mp4"),
        ("/data/clips/sample_000000_abc/clip.mp4", "sample_000000_abc/clip.mp4"),
        ("/data/sample_000001_abc/clip.mp4", "clip.mp4"),
        ("/data/my_sample_000000_abc/clip.mp4", "clip.mp4"),
        ("sample_000000_abc/x/clip.mp4", "clip.mp4"),
        ("/sample_000000_abc", "sample_000000_abc"),
    ],
)
def test_a_clip_in_a_folder_of_its_samples_key_is_looked_up_there(tmp_path: Path, path: str, source: str) -> None:
    [(_, found, entry)] = entries(tmp_path, [GOOD | {"clip_path": path}])
    assert found == entry["source"] == source


def test_json_lines_give_the_same_entries_as_a_list(tmp_path: Path) -> None:
    pairs = [GOOD, GOOD | {"vid": "d-e_f"}]
    lines = "\n".join(json.dumps(pair) for pair in pairs)
    assert entries(tmp_path, lines, "pairs.jsonl") == entries(tmp_path, pairs)


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    assert entries(tmp_path, "\ufeff" + json.dumps([GOOD]))[0][0] == "sample_000000_abc"


def test_an_index_pins_the_folder(tmp_path: Path) -> None:
    assert entries(tmp_path, [GOOD | {"index": 17}])[0][0] == "sample_000017_abc"


def test_a_list_of_words_is_joined_with_spaces(tmp_path: Path) -> None:
    [(_, _, entry)] = entries(tmp_path, [GOOD | {"transcript": ["a", "red", "cow"]}])
    assert entry["caption"] == "a red cow"


def test_transcript_clip_serves_where_transcript_is_absent_or_null(tmp_path: Path) -> None:
    pairs = [
        {"vid": "a", "transcript clip": "one", "clip_path": "a"},
        GOOD | {"transcript": None, "transcript clip": "x"},
    ]
    assert [entry["caption"] for _, _, entry in entries(tmp_path, pairs)] == ["one", "x"]


@pytest.mark.parametrize("size", ["absent", None, [], "0.5", 0.5, {}])
def test_a_size_that_is_missing_empty_or_no_list_is_the_default(tmp_path: Path, size: Any) -> None:
    pair = {key: value for key, value in (GOOD | {"size": size}).items() if value != "absent"}
    assert entries(tmp_path, [pair])[0][2]["size"] is None


@pytest.mark.parametrize("size", [float("nan"), -0.1, 1.5, float("inf"), "0.5", None, True, [0.5], 10**400])
def test_a_size_that_is_no_number_from_0_to_1_fails_its_pair(tmp_path: Path, size: Any) -> None:
    assert error_of(tmp_path, size=[0.5, size, 0.5])[0] == "bad_size"


@pytest.mark.parametrize("vid", ["../../x", "", "a/b", "a b", "é", "x" * 65, 5, None, ["a"], "a\n", "absent"])
def test_a_vid_that_cannot_name_a_folder_fails_its_pair_by_its_number(tmp_path: Path, vid: Any) -> None:
    pair = {key: value for key, value in (GOOD | {"vid": vid}).items() if value != "absent"}
    [_, (key, source, entry)] = entries(tmp_path, [GOOD, pair])
    assert (key, source, entry["error"][0]) == ("sample_000001_invalid", "", "bad_vid")
    assert "pairs.json: pair 1" in entry["error"][1]


@pytest.mark.parametrize("caption", [5, {"a": 1}, ["a", 1], "", "  ", [], True])
def test_a_caption_that_is_no_text_fails_its_pair(tmp_path: Path, caption: Any) -> None:
    assert error_of(tmp_path, transcript=caption)[0] == "bad_caption"


@pytest.mark.parametrize("path", ["absent", None, 5, "", "/clips/", "/clips/..", ".", "a\0b.mp4"])
def test_a_clip_path_that_names_no_file_fails_its_pair(tmp_path: Path, path: Any) -> None:
    assert error_of(tmp_path, clip_path=path)[0] == "bad_clip_path"


@pytest.mark.parametrize("index", [-1, 1.5, "3", True, 10**13])
def test_an_index_that_is_no_whole_number_fails_its_pair(tmp_path: Path, index: Any) -> None:
    assert error_of(tmp_path, index=index)[0] == "bad_index"


@pytest.mark.parametrize("row", [5, "text", None, ["a"], True])
def test_a_row_that_is_no_object_fails_alone(tmp_path: Path, row: Any) -> None:
    found = entries(tmp_path, [GOOD, row, GOOD])
    assert [entry.get("error", [None])[0] for _, _, entry in found] == [None, "bad_pair", None]


def test_a_broken_line_of_json_lines_fails_alone(tmp_path: Path) -> None:
    text = json.dumps(GOOD) + "\n{broken\n" + json.dumps(GOOD) + "\n"
    found = entries(tmp_path, text, "pairs.jsonl")
    assert [key for key, _, _ in found] == ["sample_000000_abc", "sample_000001_invalid", "sample_000002_abc"]
    assert found[1][2]["error"][0] == "bad_pair"
    assert "line 2" in found[1][2]["error"][1]


def test_keys_are_unique_also_where_pairs_pin_the_same_folder_or_are_called_invalid(tmp_path: Path) -> None:
    pairs = [GOOD | {"index": 1, "vid": "invalid"}, GOOD | {"index": 1, "vid": "invalid"}, GOOD | {"vid": "../"}, 3]
    found = entries(tmp_path, pairs)
    assert len({key for key, _, _ in found}) == 4
    assert found[1][2]["error"][0] == "duplicate"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "nothing"),
        ("  \n ", "nothing"),
        ("hello", "begins with 'h'"),
        ('"text"', "not a JSON list"),
        ('{"a": 1,\n "b": 2}', "begins with '['"),
        ('[{"vid": "a"}, {"vid": ]', "member 1"),
        ('[{"vid": "a"}', "ends inside the list"),
        ('[{"vid": "a"},\n{"vid": "b"}\n{"vid": "c"}]', "not a comma"),
        ('[{"vid": "a"}] trailing', "follows the list"),
        ('[{"vid": "a"},]', "member 1"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_file_that_is_no_list_of_objects_is_named_with_the_place(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(PlanningError, match=r"pairs\.json") as error:
        entries(tmp_path, text)
    assert says in str(error.value)


def test_a_file_that_is_absent_or_not_utf8_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlanningError, match=r"none\.json"):
        list(read_pairs(tmp_path / "none.json"))
    (tmp_path / "latin.json").write_bytes(b'[{"vid": "\xe9"}]')
    with pytest.raises(PlanningError, match=r"latin\.json: not UTF-8"):
        list(read_pairs(tmp_path / "latin.json"))
