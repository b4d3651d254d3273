"""Reading long lists of JSON objects."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scripts.shared import json_items
from scripts.shared.errors import PlanningError
from scripts.shared.json_items import BrokenItemError, read_items

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def read(path: Path, text: str, chunk: int = 1 << 20) -> list[Any]:
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_items, "_CHUNK", chunk)
        return list(read_items(path))


@given(
    values=st.lists(VALUES, max_size=5),
    chunk=st.integers(1, 40),
    indent=st.sampled_from([None, 0, 1, 4]),
    ascii_only=st.booleans(),
    before=st.text(alphabet=" \t\r\n", max_size=5),
    after=st.text(alphabet=" \t\r\n", max_size=5),
)
def test_a_list_reads_as_json_load_reads_it(
    values: list[Any],
    chunk: int,
    indent: int | None,
    ascii_only: bool,
    before: str,
    after: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    text = before + json.dumps(values, indent=indent, ensure_ascii=ascii_only) + after
    if not ascii_only and not text.isascii():
        text = text.encode(errors="replace").decode()
    path = tmp_path_factory.getbasetemp() / "list.json"
    assert read(path, text, chunk) == json.loads(text)


@given(
    values=st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(), min_size=1), min_size=1, max_size=5),
    place=st.integers(0, 200),
    junk=st.sampled_from(["", ",", "]", "[", "}", '"', "x", "1", ":", " "]),
    cut=st.integers(0, 3),
    chunk=st.integers(1, 64),
)
@example(values=[{"a": 1}], place=8, junk=",", cut=0, chunk=64)
@example(values=[{"a": 1}], place=8, junk=", ", cut=0, chunk=1)
def test_what_json_load_refuses_is_refused(
    values: list[Any], place: int, junk: str, cut: int, chunk: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = json.dumps(values)
    place %= len(text)
    text = text[:place] + junk + text[place + cut :]
    if not text.strip().startswith("["):
        return
    path = tmp_path_factory.getbasetemp() / "broken.json"
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(PlanningError):
            read(path, text, chunk)
    else:
        assert read(path, text, chunk) == expected


@given(blank=st.integers(0, 4), good=st.integers(0, 6), chunk=st.integers(1, 50))
def test_an_error_names_its_line_whatever_was_read_before(
    blank: int, good: int, chunk: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    members = "".join(f'  {{"vid": "v{number}"}},\n' for number in range(good))
    text = "\n" * blank + "[\n" + members + '  {"vid": oops},\n  {"vid": "last"}\n]\n'
    with pytest.raises(PlanningError, match=rf"no JSON at line {blank + good + 2}, member {good}: "):
        read(tmp_path_factory.getbasetemp() / "line.json", text, chunk)


def test_a_byte_order_mark_is_no_part_of_the_list(tmp_path: Path) -> None:
    (tmp_path / "bom.json").write_bytes(b"\xef\xbb\xbf [1, 2]")
    assert list(read_items(tmp_path / "bom.json")) == [1, 2]


def test_lines_of_objects_are_read_one_by_one_and_a_broken_one_costs_itself(tmp_path: Path) -> None:
    items = read(tmp_path / "pairs.jsonl", '{"a": 1}\n\n{"a": \n{"a": 3}\n')
    assert (items[0], items[2]) == ({"a": 1}, {"a": 3})
    assert isinstance(items[1], BrokenItemError)
    assert str(items[1]).startswith("line 3: ")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "but nothing"),
        ("   \n", "but nothing"),
        ("42", "begins with '4'"),
        ("<html>", "begins with '<'"),
        ("[1, 2", "no JSON at line 1, member 1: the file ends inside the list"),
        ("[1 2]", "after member 0 of the list comes '2'"),
        ("[1, ]", "no JSON at line 1, member 1"),
        ("[1] [2]", "something follows the list: '\\[2\\]'"),
        ('{\n "a": 1\n}\n', "does not end on its line"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_file_that_is_no_list_is_refused_by_its_name_and_place(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(PlanningError, match=words) as caught:
        read(tmp_path / "pairs.json", text)
    assert "pairs.json" in str(caught.value)


def test_a_list_in_another_encoding_is_refused_with_the_byte(tmp_path: Path) -> None:
    (tmp_path / "latin.json").write_bytes('["é"]'.encode("latin-1"))
    with pytest.raises(PlanningError, match="not UTF-8"):
        list(read_items(tmp_path / "latin.json"))


def test_a_missing_list_asks_for_the_path_in_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(PlanningError, match="does the path in the configuration name the file"):
        list(read_items(tmp_path / "none.json"))


def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pairs.json")
    with pytest.raises(PlanningError, match=r"pairs\.json: not a regular file"):
        list(read_items(tmp_path / "pairs.json"))


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
@pytest.mark.parametrize(
    "text", ['[{"a": 1}, {"b": 1, "c": {"d": 1, "d": 2}}, {"e": 3}]', '{"a": 1}\n{"b": 1, "b": 1}\n{"e": 3}\n']
)
def test_a_name_that_stands_twice_in_an_object_costs_its_member(text: str, chunk: int, tmp_path: Path) -> None:
    first, broken, last = read(tmp_path / "list.json", text, chunk)
    assert (first, last) == ({"a": 1}, {"e": 3})
    assert isinstance(broken, BrokenItemError)
    assert "stands twice in one object; remove one" in str(broken)
