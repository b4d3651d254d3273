"""The list of captions: its forms, and what rules a caption out. Light: the planner reads it."""

import csv
import io
import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from scripts.pose.options import chosen_frame
from scripts.pose.skeleton import FRAMES_PER_TOKEN
from scripts.shared.errors import PlanningError
from scripts.shared.json_items import refuse_unless_file

NA = 0  # a line's length where the model is to choose it
LEAST_FRAMES, MOST_FRAMES = 4, 196
_COLUMN = "caption"
_SHOWN_PROBLEMS = 50
_MOST_CHARACTERS = 100_000  # of a caption: readers of CSV, such as index.csv is, take cells of 131,072
_LENGTH = re.compile(r"#[ \t]*(NA|[+-]?[0-9]{1,9})$", re.IGNORECASE)
# All that may be `#NA` at the end of a caption, also as JSON spells it.
_MAYBE_NA = re.compile(rb"#[ \t]*(NA|\\)|\\u00", re.IGNORECASE)
_NUMBERED = re.compile(r"\s*[0-9]+\.\s+(?P<text>.*)")
_PERSON = re.compile(r"a person\b", re.IGNORECASE)
# A line of HumanML3D's own texts: caption, words with their parts of speech, start and end in seconds.
_HUMANML3D = re.compile(r"#[^#]*/[A-Z]+[^#]*#-?[0-9.]+#-?[0-9.]+$")
_LETTERS = frozenset({"Lu", "Ll", "Lt", "Lo"})


class Line(NamedTuple):
    """A caption as the list gives it.

    Attributes:
        text: the caption, without blanks around it.
        n_frames: length of its motion in frames: as the line has it, `NA` (0) where it leaves it to the model, None
            where it says nothing of it.
        number: of its line in the file, from 1; of its first where it has several.
    """

    text: str
    n_frames: int | None
    number: int


@dataclass
class _Found:
    """What is read of a list: captions and problems, each with the number of its line; and what is odd in it."""

    captions: list[tuple[int, str]] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def read_captions(path: Path, *, remark: Callable[[str], None] = lambda _: None) -> list[Line]:
    """Read a list of captions whole.

    Args:
        path: UTF-8, with or without a byte order mark. Its suffix tells the form: `.md` Markdown, of which the numbered
            lines `1. A person ...` count; `.csv` and `.tsv` with a column `caption`; `.jsonl` with an object with
            `caption` a line; any other a caption a line. A caption may end in `#` and its length in frames, or `#NA`.
            Blank lines count nowhere.
        remark: is told, a line each, what is odd in the list and yet read.

    Returns:
        The captions in list order, those too that stand there more than once; at least one.

    Raises:
        PlanningError: the file cannot be read, holds no caption, or has lines that cannot be; names all of these.
    """
    found = _FORMS.get(path.suffix.lower(), _read_text)(_text_of(path))
    lines = []
    for number, caption in found.captions:
        line = parse_line(caption, number)
        if not line.text:
            found.problems.append((number, f"no caption before {caption!r:.40}"))
        elif len(line.text) > _MOST_CHARACTERS:
            words = f"{len(line.text):,} characters are no caption; are the line breaks missing?"
            found.problems.append((number, words))
        else:
            lines.append(line)
    _refuse(path, found)
    if not lines:
        raise PlanningError(f"{path}: no caption in it; {' '.join(found.remarks) or 'write one a line'}")
    for words in (*found.remarks, *_oddities(lines)):
        remark(f"{path}: {words}")
    return lines


def may_leave_lengths(path: Path) -> bool:
    """Whether a line of a list may leave its length to the model: a hundred times as quick as reading the list.

    Args:
        path: see `read_captions`.

    Returns:
        False where none does; else True, also where the list cannot be read.
    """
    try:
        refuse_unless_file(path)
        return _MAYBE_NA.search(path.read_bytes()) is not None
    except (OSError, PlanningError):
        return True


def check_line(line: Line, *, allow_non_latin: bool, sequence_length: int, frame_index: int) -> tuple[str, str] | None:
    """Why a caption can have no pose, told before any model is loaded.

    Args:
        line: the caption.
        allow_non_latin: take captions in other scripts too.
        sequence_length: frames of a motion of which the line says nothing.
        frame_index: which frame becomes the pose; see `options.chosen_frame`.

    Returns:
        Class of the error (`bad_characters`, `non_latin`, `bad_length`, `bad_frame`) and a message; None where nothing
        is wrong.
    """
    shown = repr(line.text[:60])
    if mark := _control(line.text):
        return "bad_characters", f"{shown}: holds U+{ord(mark):04X}, which is no text; is the list damaged? Take it out"
    if not allow_non_latin and (mark := _foreign_letter(line.text)):
        return (
            "non_latin",
            f"{shown}: {mark!r} is no Latin letter, and the text encoder learned from English; translate the caption "
            "(allow_non_latin: true takes it as it is)",
        )
    if line.n_frames == NA:
        return None  # the frame is looked for once the model has chosen the length
    n_frames = sequence_length if line.n_frames is None else line.n_frames
    if not LEAST_FRAMES <= n_frames <= MOST_FRAMES:
        return "bad_length", f"{shown}: the length behind '#' must be {LEAST_FRAMES} to {MOST_FRAMES} frames, or NA"
    try:
        chosen_frame(frame_index, n_frames - n_frames % FRAMES_PER_TOKEN)
    except ValueError as error:
        return "bad_frame", f"{shown}: frame_index: {error}; give the line a longer motion, or choose another frame"
    return None


def _text_of(path: Path) -> str:
    mend = "is the option captions right?"
    try:
        refuse_unless_file(path)
        data = path.read_bytes()
    except OSError as error:
        raise PlanningError(f"{path}: {error.strerror}; {mend}") from error
    # Text in UTF-16 has a mark in front or, of Latin letters, a zero in every second byte.
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or 4 * data.count(0) > len(data):
        raise PlanningError(
            f"{path}: in UTF-16, which some editors call Unicode; save it as UTF-8 (iconv -f UTF-16 -t UTF-8 does it)"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = 1 + data.count(b"\n", 0, error.start)
        raise PlanningError(f"{path}: line {number}: not UTF-8 (byte {error.start}); save it as UTF-8") from error


def _lines_of(text: str) -> list[tuple[int, str]]:
    """The lines that are not blank, by their numbers from 1."""
    # Not `splitlines`, which would also cut a caption at a vertical tab or U+2028.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [(number, line) for number, line in enumerate(lines, 1) if line.strip()]


def _read_text(text: str) -> _Found:
    lines = _lines_of(text)
    if len(lines) > 1 and all(_NUMBERED.fullmatch(line) for _, line in lines):
        words = "all lines are numbered, as in Markdown: give the file the suffix .md, or take the numbers out"
        return _Found(problems=[(lines[0][0], words)])
    return _Found(lines)


def _read_markdown(text: str) -> _Found:
    found = _Found()
    others = []
    for number, line in _lines_of(text):
        if match := _NUMBERED.fullmatch(line):
            caption = match["text"]
            if _PERSON.match(caption):
                found.captions.append((number, caption))
            else:
                others.append(number)
    if others:
        found.remarks.append(
            f"left out: {_many(others, 'numbered lines that do', 'numbered line that does')} not begin with 'A person',"
            f" such as line {others[0]}; in a text file (.txt, without numbers) every line is a caption"
        )
    return found


def _read_table(text: str, delimiter: str) -> _Found:
    found = _Found()
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    number = 1
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            if any(cells) and not header:
                header = cells
                if _COLUMN not in header:
                    names = ", ".join(header)
                    found.problems.append((number, f"names no column {_COLUMN!r}, but {names!r:.80}; name one so"))
                    return found
            elif any(cells):
                caption = dict(zip(header, cells, strict=False)).get(_COLUMN, "")
                if caption:
                    found.captions.append((number, caption))
                else:
                    found.problems.append((number, f"nothing in the column {_COLUMN!r}"))
            number = rows.line_num + 1
    except csv.Error as error:
        found.problems.append((number, f"no CSV from here on: {error}; is a quotation mark not closed?"))
    return found


def _read_json_lines(text: str) -> _Found:
    found = _Found()
    for number, line in _lines_of(text):
        try:
            caption = _caption_in(line)
        except ValueError as error:
            found.problems.append((number, str(error)))
        else:
            found.captions.append((number, caption))
    return found


def _caption_in(line: str) -> str:
    try:
        item = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON: {error}") from error
    caption = item.get(_COLUMN) if isinstance(item, dict) else None
    if not isinstance(caption, str) or not caption.strip():
        raise ValueError(f"no object with a text {_COLUMN!r}, but {line.strip()!r:.60}")
    return caption


def _read_json(_text: str) -> _Found:
    return _Found(problems=[(1, "a list in JSON is not read; write one object a line and name the file .jsonl")])


_FORMS: dict[str, Callable[[str], _Found]] = {
    ".md": _read_markdown,
    ".markdown": _read_markdown,
    ".csv": lambda text: _read_table(text, ","),
    ".tsv": lambda text: _read_table(text, "\t"),
    ".jsonl": _read_json_lines,
    ".json": _read_json,
}


def parse_line(caption: str, number: int) -> Line:
    """A caption with the length that may stand behind it.

    Args:
        caption: such as `A person waving#24`.
        number: of its line in the list.
    """
    caption = caption.strip().lstrip("\ufeff").lstrip()  # the mark of a file that was put behind another one
    match = _LENGTH.search(caption)
    if match is None:
        return Line(caption, None, number)
    # A length of 0 is no length: it must not read as NA.
    n_frames = NA if match[1].upper() == "NA" else int(match[1]) or -1
    return Line(caption[: match.start()].rstrip(), n_frames, number)


def _refuse(path: Path, found: _Found) -> None:
    """Name all lines that cannot be used.

    Raises:
        PlanningError: there are some.
    """
    if not found.problems:
        return
    problems = sorted(found.problems)
    told = [f"{path}: line {number}: {words}" for number, words in problems[:_SHOWN_PROBLEMS]]
    if len(problems) > _SHOWN_PROBLEMS:
        told.append(f"and {len(problems) - _SHOWN_PROBLEMS:,} lines more")
    raise PlanningError("\n".join(told))


def _oddities(lines: list[Line]) -> list[str]:
    """What is odd in captions that were read, a line each."""
    told = []
    tagged = [line.number for line in lines if _HUMANML3D.search(line.text)]
    hashes = [line.number for line in lines if "#" in line.text and not _HUMANML3D.search(line.text)]
    first: dict[str, Line] = {}
    other_length = [line.number for line in lines if first.setdefault(line.text, line).n_frames != line.n_frames]
    if tagged:
        told.append(
            f"{_many(tagged, 'captions look', 'caption looks')} like a line of HumanML3D's texts "
            f"(caption#words/TAGS#0.0#0.0), such as line {tagged[0]}; keep what stands before the first '#'"
        )
    if hashes:
        told.append(
            f"{_many(hashes, 'captions have', 'caption has')} a '#' with neither a number of frames nor NA behind it, "
            f"such as line {hashes[0]}; it was read as part of the caption"
        )
    if other_length:
        told.append(
            f"{_many(other_length, 'captions stand', 'caption stands')} there again with another length, such as line "
            f"{other_length[0]}; the first length counts"
        )
    return told


def _many(numbers: list[int], several: str, one: str) -> str:
    return f"{len(numbers):,} {one if len(numbers) == 1 else several}"


def _control(text: str) -> str:
    """The first character that no text has: a control character that is no blank, or half of a UTF-16 pair."""
    if text.isprintable():  # most are, and Python tells it at once
        return ""
    return next((mark for mark in text if unicodedata.category(mark) in ("Cc", "Cs") and not mark.isspace()), "")


def _foreign_letter(text: str) -> str:
    """The first letter that is not Latin."""
    if text.isascii():
        return ""
    # Compatibility forms first: full-width and mathematical letters are Latin ones.
    for mark in unicodedata.normalize("NFKC", text):
        if unicodedata.category(mark) in _LETTERS and not unicodedata.name(mark, "").startswith("LATIN "):
            return mark
    return ""
