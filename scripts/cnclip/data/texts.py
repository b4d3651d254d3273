"""Captions in the official form: JSON Lines of `{"text_id": int, "text": str, "image_ids": [int, ...]}`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from scripts.cnclip.data.tsv import LARGEST_ID
from scripts.shared.errors import ConfigError, JobError, SampleError

MAX_LINE = 1 << 20  # bytes

_BOM = b"\xef\xbb\xbf"
_SHOWN = 120  # letters of what is quoted


class Text(NamedTuple):
    """A caption and the pictures that it goes with.

    Attributes:
        text_id: of this text.
        text: not empty, without NUL.
        image_ids: each once; none where the answer is hidden, as in official test files.
    """

    text_id: int
    text: str
    image_ids: tuple[int, ...]


class TextLine(NamedTuple):
    """A line of a file of texts, or what is wrong with it.

    Attributes:
        number: of the line, from 1.
        text_id: None where the line has no usable one.
        text: None where `error` is set.
        error: `bad_json`, `bad_id`, `bad_text`, `empty_text` or `too_large`; None for a good line.
    """

    number: int
    text_id: int | None
    text: Text | None
    error: SampleError | None


def read_texts(path: Path) -> Iterator[TextLine]:
    """Read a file of texts, one line at a time; empty lines are passed over, a byte order mark too.

    Raises:
        ConfigError: the file cannot be opened.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; does the dataset's `root` name the folder with it?") from error
    with file:
        number = 0
        while line := file.readline(MAX_LINE + 1):
            number += 1
            whole = len(line) <= MAX_LINE or line.endswith(b"\n")
            while not whole and (rest := file.readline(MAX_LINE)):
                whole = rest.endswith(b"\n")
            if number == 1:
                line = line.removeprefix(_BOM)
            if line.strip():
                yield _text_line(number, line)


def begins_with_mark(path: Path) -> bool:
    """Whether a file begins with the byte order mark, which upstream's readers do not take."""
    with path.open("rb") as file:
        return file.read(len(_BOM)) == _BOM


def read_good_texts(path: Path) -> Iterator[Text]:
    """Read texts that must all be good, such as those that a check has written.

    Raises:
        JobError: a line is not of this form.
        ConfigError: the file cannot be opened.
    """
    for line in read_texts(path):
        if line.text is None:
            raise JobError(
                f"{path}: line {line.number}: {line.error}; mend the line, or remove the file if it was made here"
            )
        yield line.text


def text_row(text: Text) -> str:
    """The text as a line of the official form, with its end."""
    return json.dumps(text._asdict(), ensure_ascii=False) + "\n"


def _text_line(number: int, line: bytes) -> TextLine:
    text_id = None
    try:
        if len(line) > MAX_LINE:
            raise SampleError("too_large", f"the line has more than {MAX_LINE:,} bytes")
        value = _parsed(line)
        text_id = _checked_id(value.get("text_id"), "text_id", value)
        text = Text(text_id, _checked_text(value.get("text")), _checked_image_ids(value))
    except SampleError as error:
        return TextLine(number, text_id, None, error)
    return TextLine(number, text_id, text, None)


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise SampleError("bad_json", f"not UTF-8 at byte {error.start} of the line; save the file as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise SampleError("bad_json", f"no JSON: {error}") from None
    if not isinstance(value, dict):
        raise SampleError("bad_json", f"not a JSON object but {_shown(value)}")
    return value


def _checked_id(value: Any, name: str, row: dict[str, Any]) -> int:
    if name not in row:
        raise SampleError("bad_id", f"there is no {name!r} in {_shown(row)}")
    if type(value) is not int or not 0 <= value <= LARGEST_ID:
        raise SampleError("bad_id", f"{name!r} is {_shown(value)}, not a whole number from 0 to {LARGEST_ID}")
    return value


def _checked_text(value: Any) -> str:
    if not isinstance(value, str):
        raise SampleError("bad_text", f"'text' is {_shown(value)}, not a text")
    if not value.strip():
        raise SampleError("empty_text", "'text' is empty")
    if "\0" in value:
        raise SampleError("bad_text", "'text' holds a NUL character")
    if any("\ud800" <= mark <= "\udfff" for mark in value):
        raise SampleError("bad_text", "'text' holds half a surrogate pair, which is no character")
    return value


def _checked_image_ids(row: dict[str, Any]) -> tuple[int, ...]:
    value = row.get("image_ids")
    if not isinstance(value, list):
        raise SampleError("bad_id", f"'image_ids' is {_shown(value)}, not a list of whole numbers; [] where hidden")
    ids = [_checked_id(member, "image_ids", {"image_ids": value}) for member in value]
    return tuple(dict.fromkeys(ids))


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
