import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.pose.captions import NA, Line, check_line, read_captions
from scripts.shared.errors import PlanningError


def listed(folder: Path, content: str | bytes, name: str = "list.txt") -> list[Line]:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_captions(path)


def texts(folder: Path, content: str | bytes, name: str = "list.txt") -> list[str]:
    return [line.text for line in listed(folder, content, name)]


def remarks(folder: Path, content: str, name: str = "list.txt") -> list[str]:
    (folder / name).write_text(content)
    told: list[str] = []
    read_captions(folder / name, remark=told.append)
    return [line.removeprefix(f"{folder / name}: ") for line in told]


def refusal(folder: Path, content: str | bytes, name: str = "list.txt") -> str:
    with pytest.raises(PlanningError) as refused:
        listed(folder, content, name)
    return str(refused.value).replace(f"{folder}/", "")


def wrong(text: str, n_frames: int | None = None, *, frame_index: int = -1, allow: bool = False) -> str:
    line = Line(text, n_frames, 1)
    found = check_line(line, allow_non_latin=allow, sequence_length=16, frame_index=frame_index)
    return found[0] if found else ""


def test_a_text_file_has_a_caption_a_line(tmp_path: Path) -> None:
    content = "\ufeffA person waving\r\n\r\n  A person  sitting \n\t\nwalk\rrun"
    assert listed(tmp_path, content) == [
        Line("A person waving", None, 1), Line("A person  sitting", None, 3), Line("walk", None, 5),
        Line("run", None, 6),
    ]  # fmt: skip


def test_a_caption_keeps_its_marks_slashes_and_separators(tmp_path: Path) -> None:
    captions = ["a/b", "..", "😀 waves", "a\u2028b\u2029c\vd\x85e", "a\u200fb", "a\0b"]
    assert texts(tmp_path, "\n".join(captions)) == captions


def test_a_line_may_end_in_its_length(tmp_path: Path) -> None:
    content = "walk#40\nrun #NA\nsit# 8 \nhop#na\nlie#0\nfly#-4\nplayer #7 kicks#20\nstand"
    assert [(line.text, line.n_frames) for line in listed(tmp_path, content)] == [
        ("walk", 40), ("run", NA), ("sit", 8), ("hop", NA), ("lie", -1), ("fly", -4), ("player #7 kicks", 20),
        ("stand", None),
    ]  # fmt: skip


def test_what_follows_a_hash_and_is_no_length_stays_in_the_caption_and_is_told(tmp_path: Path) -> None:
    content = "walk#foo\nrun#\nsit#3.5\nhop#40"
    assert texts(tmp_path, content) == ["walk#foo", "run#", "sit#3.5", "hop"]
    (told,) = remarks(tmp_path, content)
    assert told.startswith("3 captions have a '#' with neither a number of frames nor NA behind it, such as line 1")


def test_lines_of_humanml3d_are_told_of(tmp_path: Path) -> None:
    (told,) = remarks(tmp_path, "walk\na man kicks.#a/DET man/NOUN kick/VERB#0.0#0.0\n")
    assert told.startswith("1 caption looks like a line of HumanML3D's texts")
    assert "such as line 2; keep what stands before the first '#'" in told


def test_a_caption_that_stands_again_with_another_length_is_told(tmp_path: Path) -> None:
    (told,) = remarks(tmp_path, "walk#40\nwalk#40\nwalk#80\nwalk")
    assert told == "2 captions stand there again with another length, such as line 3; the first length counts"
    assert remarks(tmp_path, "walk\nwalk\nrun#NA") == []


def test_of_markdown_the_numbered_lines_that_begin_with_a_person_are_read(tmp_path: Path) -> None:
    content = "# Poses\n\n1. A person waving\n   2.  a person sitting#40\nA person lying\n3) A person\n4. A man runs\n"
    assert listed(tmp_path, content, "10k.md") == [Line("A person waving", None, 3), Line("a person sitting", 40, 4)]
    (told,) = remarks(tmp_path, content, "10k.md")
    assert told.startswith("left out: 1 numbered line that does not begin with 'A person', such as line 7")


def test_markdown_without_such_lines_is_refused_with_the_reason(tmp_path: Path) -> None:
    assert "10k.md: no caption in it; left out: 2 numbered lines that do not begin with 'A person'" in refusal(
        tmp_path, "1. A man runs\n2. A woman sits\n", "10k.md"
    )


def test_a_text_file_of_numbered_lines_is_refused(tmp_path: Path) -> None:
    assert "list.txt: line 1: all lines are numbered, as in Markdown: give the file the suffix .md" in refusal(
        tmp_path, "1. A person waving\n2. A person sitting\n"
    )
    assert texts(tmp_path, "1. A person waving\nA person sitting\n")[0] == "1. A person waving"


@pytest.mark.parametrize(("name", "mark"), [("list.csv", ","), ("list.tsv", "\t"), ("LIST.CSV", ",")])
def test_a_table_has_a_column_of_captions(tmp_path: Path, name: str, mark: str) -> None:
    rows = ("\ufeff", f"id{mark} caption ", f'1{mark}"A ""T"" pose, held"', "", f'2{mark}"two\r\nlines"{mark}more')
    content = "\r\n".join((*rows, f"3{mark}walk#8\r\n"))
    assert listed(tmp_path, content, name) == [
        Line('A "T" pose, held', None, 3), Line("two\r\nlines", None, 5), Line("walk", 8, 7),
    ]  # fmt: skip


def test_all_rows_of_a_table_that_cannot_be_are_named(tmp_path: Path) -> None:
    assert refusal(tmp_path, 'id,caption\n1,walk\n2\n3," "\n4,run\n5,"open\n', "list.csv").split("\n") == [
        "list.csv: line 3: nothing in the column 'caption'",
        "list.csv: line 4: nothing in the column 'caption'",
        "list.csv: line 6: no CSV from here on: unexpected end of data; is a quotation mark not closed?",
    ]
    assert "line 1: names no column 'caption', but 'id, text'; name one so" in refusal(
        tmp_path, "id,text\n1,walk\n", "list.csv"
    )


def test_json_lines_have_an_object_a_line(tmp_path: Path) -> None:
    content = '\ufeff{"caption": "walk#8", "id": 1}\n\n{"caption": "举手\\ud800"}\n'
    assert listed(tmp_path, content, "list.jsonl") == [Line("walk", 8, 1), Line("举手\ud800", None, 3)]


def test_all_broken_json_lines_are_named_and_nothing_is_read(tmp_path: Path) -> None:
    content = '{"caption": "walk"}\n{"caption": \n[1]\n{"text": "x"}\n{"caption": 3}\n{"caption": " "}\n' + 3000 * "["
    told = refusal(tmp_path, content, "list.jsonl").split("\n")
    assert [line.split(":")[1] for line in told] == [f" line {number}" for number in (2, 3, 4, 5, 6, 7)]
    assert "no JSON" in told[0]
    assert "no object with a text 'caption', but '[1]'" in told[1]


def test_of_many_problems_the_first_are_named_and_the_others_counted(tmp_path: Path) -> None:
    told = refusal(tmp_path, 1234 * "{}\n", "list.jsonl").split("\n")
    assert len(told) == 51
    assert told[-1] == "and 1,184 lines more"


def test_a_line_of_nothing_but_a_length_is_named(tmp_path: Path) -> None:
    assert "line 2: no caption before '#16'" in refusal(tmp_path, "walk\n#16\n")


def test_a_caption_without_end_is_named(tmp_path: Path) -> None:
    assert "line 2: 100,001 characters are no caption" in refusal(tmp_path, f"walk\n{100_001 * 'x'}\n")
    assert len(texts(tmp_path, 100_000 * "x")[0]) == 100_000


@pytest.mark.parametrize(
    ("name", "content"), [("a.txt", ""), ("a.csv", "caption\n"), ("a.jsonl", "\n"), ("a.md", "#\n")]
)
def test_an_empty_list_is_refused(tmp_path: Path, name: str, content: str) -> None:
    assert f"{name}: no caption in it" in refusal(tmp_path, content, name)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf_16_is_refused_with_how_to_save_it(tmp_path: Path, encoding: str) -> None:
    assert "save it as UTF-8 (iconv" in refusal(tmp_path, "A person waving\n".encode(encoding))


def test_other_encodings_are_refused_with_the_line(tmp_path: Path) -> None:
    assert "list.txt: line 2: not UTF-8 (byte 8); save it as UTF-8" in refusal(tmp_path, b"walk\ncaf\xe9\n")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for path, words in (
        (tmp_path, "Is a directory"),
        (tmp_path / "none", "No such file"),
        (Path("/dev/zero"), "regular"),
    ):
        with pytest.raises(PlanningError, match=words):
            read_captions(path)
    assert "write one object a line and name the file .jsonl" in refusal(tmp_path, '[{"caption": "walk"}]', "list.json")


@given(
    st.lists(
        st.tuples(
            st.text(min_size=1, max_size=30).filter(lambda text: "#" not in text), st.integers(4, 196) | st.none()
        )
    )
)
def test_json_lines_give_every_caption_back(
    tmp_path_factory: pytest.TempPathFactory, given_: list[tuple[str, int | None]]
) -> None:
    kept = [(text, n) for text, n in given_ if text.strip().lstrip("\ufeff").strip()]
    content = "\n".join(json.dumps({"caption": text if n is None else f"{text}#{n}"}) for text, n in kept)
    if not kept:
        return
    lines = listed(tmp_path_factory.getbasetemp(), content, "given.jsonl")
    assert [(line.text, line.n_frames) for line in lines] == [
        (text.strip().lstrip("\ufeff").strip(), n) for text, n in kept
    ]


def test_a_caption_in_another_script_has_no_pose_unless_allowed() -> None:
    assert wrong("一个人举手") == wrong("A person 举手") == wrong("Человек машет") == wrong("人") == "non_latin"
    assert wrong("一个人举手", allow=True) == ""


@pytest.mark.parametrize(
    "text",
    [
        *("café — naïve “quotes”", "\uff21 person", "😀", "180° ª ﬁ \u02bc ½", "???", "..", "a\u200fb", "ŁĄKA ß đ"),
        pytest.param(5000 * "word ", id="5,000 words"),
    ],
)
def test_latin_letters_and_marks_of_any_kind_have_a_pose(text: str) -> None:
    assert wrong(text) == ""


@pytest.mark.parametrize("text", ["a\0b", "a\x1bb", "a\ud800b"])
def test_a_caption_that_holds_what_no_text_has_is_ruled_out(text: str) -> None:
    assert wrong(text, allow=True) == "bad_characters"


def test_a_tab_or_a_line_break_in_a_caption_is_a_blank() -> None:
    assert wrong("a\tb\r\nc") == ""


def test_a_length_must_be_4_to_196_frames() -> None:
    assert {n: wrong("walk", n) for n in (-1, 3, 4, 196, 197)} == {
        -1: "bad_length", 3: "bad_length", 4: "", 196: "", 197: "bad_length",
    }  # fmt: skip
    assert wrong("walk", NA) == wrong("walk") == ""


def test_the_frame_must_be_within_the_whole_tokens_of_the_line() -> None:
    assert wrong("walk", 11, frame_index=7) == ""
    assert wrong("walk", 11, frame_index=8) == wrong("walk", 11, frame_index=-9) == "bad_frame"
    assert wrong("walk", frame_index=15) == wrong("walk", NA, frame_index=99) == ""
