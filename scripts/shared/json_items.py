"""Reading a long list of JSON objects without holding it: a JSON list, or JSON Lines."""

import json
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from scripts.shared.errors import PlanningError
from scripts.shared.text_errors import text_errors

_CHUNK = 1 << 20
_BLANK = " \t\r\n"


class BrokenItemError(ValueError):
    """A member that cannot be used, such as a line that is no JSON; what follows it can be read all the same."""


def read_items(path: Path) -> Iterator[Any]:
    """Yield the members of a JSON list, or the lines of a JSON Lines file.

    Args:
        path: UTF-8, with or without a byte order mark.

    Yields:
        Each member as Python values; a `BrokenItemError` for a line that is no JSON, or for one in which a name stands
        twice in an object: which of the two is meant, nobody can know.

    Raises:
        PlanningError: the file cannot be read, or is neither; names the place and the mend.
    """
    try:
        with text_errors(path, PlanningError, "does the path in the configuration name the file?"):
            refuse_unless_file(path)
            with path.open(encoding="utf-8-sig") as file:
                first, line = _first_character(file)
                if first == "[":
                    yield from _list_members(file, path, line)
                elif first == "{":
                    yield from _lines(file, path)
                else:
                    found = "nothing" if not first else f"a file that begins with {first!r}"
                    raise PlanningError(f"{path}: not a JSON list of objects, nor one object a line, but {found}")
    except RecursionError as error:
        raise PlanningError(f"{path}: nested too deeply to be a list of pairs") from error


def refuse_unless_file(path: Path) -> None:
    """Refuse a named pipe or a device, which would be waited for without end.

    Raises:
        PlanningError: it is neither a file nor a folder.
        OSError: it is not there.
    """
    if not stat.S_ISREG(mode := path.stat().st_mode) and not stat.S_ISDIR(mode):
        raise PlanningError(f"{path}: not a regular file; does the path in the configuration name the list?")


def _first_character(file: TextIO) -> tuple[str, int]:
    """The first character that is no blank, next to be read, and the number of its line."""
    start, line = file.tell(), 1
    while (character := file.read(1)) and character in _BLANK:
        start, line = file.tell(), line + (character == "\n")
    file.seek(start)
    return character, line


def _list_members(file: TextIO, path: Path, line: int) -> Iterator[Any]:
    repeated: list[str] = []
    decoder = json.JSONDecoder(object_pairs_hook=partial(_object, repeated))
    buffer, position = file.read(_CHUNK), 1
    n_members, comma = 0, False
    while True:
        position = _skip_blank(buffer, position)
        try:
            if position < len(buffer) and buffer[position] == "]" and not comma:
                _check_end(buffer[position + 1 :] + file.read(_CHUNK), path)
                return
            member, end = decoder.raw_decode(buffer, position)
            end = _skip_blank(buffer, end)
            # What follows must be in sight: a number cut by the end of the buffer would pass for a shorter one.
            if buffer[end] in ".eE" and end + len("e+") >= len(buffer):
                raise IndexError("a number may go on")
            if buffer[end] not in ",]":
                raise PlanningError(f"{path}: after member {n_members} of the list comes {buffer[end]!r}, not a comma")
        except (ValueError, IndexError) as error:
            more = file.read(max(_CHUNK, len(buffer)))
            if not more:
                place = line + buffer.count("\n", 0, getattr(error, "pos", len(buffer)))
                reason = getattr(error, "msg", "the file ends inside the list")
                raise PlanningError(f"{path}: no JSON at line {place}, member {n_members}: {reason}") from error
            repeated.clear()  # the member is read again
            line += buffer.count("\n", 0, position)
            buffer, position = buffer[position:] + more, 0
            continue
        yield _unless_repeated(member, repeated, f"member {n_members}")
        n_members += 1
        comma = buffer[end] == ","
        position = end + comma


def _object(repeated: list[str], pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; names that stand twice in it are added to `repeated`."""
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        repeated += [name for name in made if names.count(name) > 1]
    return made


def _unless_repeated(member: Any, repeated: list[str], where: str) -> Any:
    if not repeated:
        return member
    error = BrokenItemError(f"{where}: {repeated[0]!r:.80} stands twice in one object; remove one")
    repeated.clear()
    return error


def _skip_blank(text: str, position: int) -> int:
    while position < len(text) and text[position] in _BLANK:
        position += 1
    return position


def _check_end(rest: str, path: Path) -> None:
    if rest.strip(_BLANK):
        raise PlanningError(f"{path}: something follows the list: {rest.strip(_BLANK)[:20]!r}; one list a file")


def _lines(file: TextIO, path: Path) -> Iterator[Any]:
    repeated: list[str] = []
    hook = partial(_object, repeated)
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            member = json.loads(line, object_pairs_hook=hook)
        except ValueError as error:
            if number == 1:
                raise PlanningError(
                    f"{path}: begins with an object that does not end on its line; a list of objects begins with '['"
                ) from error
            repeated.clear()
            yield BrokenItemError(f"line {number}: {error}")
        else:
            yield _unless_repeated(member, repeated, f"line {number}")
