"""The table of translations: a text file that is reviewed, and grows by lines alone.

A line holds the Chinese, a tab and the English. Lines that begin with # are remarks. A Chinese text that ends with a
colon, such as 盗窃异常:, translates that beginning of any caption. Two Chinese texts may share an English one where the
later line says so: `same` behind a second tab.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from scripts.fgclip.data.item_check import is_chinese
from scripts.shared.errors import ConfigError
from scripts.shared.text_errors import text_errors

SAME = "same"
_PREFIX = re.compile("([\u3400-\u4dbf\u4e00-\u9fff]{2,10}:) *(.+)")


class Row(NamedTuple):
    """A line of the table: its number from 1, both texts, and whether it may share its English with another."""

    line: int
    zh: str
    en: str
    same: bool


@dataclass(frozen=True)
class Table:
    """Translations that were read.

    Attributes:
        path: the file.
        rows: by their Chinese as `plain` gives it, in the file's order.
        version: digest of the file (SHA-256, 12 hex digits).
    """

    path: Path
    rows: dict[str, Row]
    version: str

    def translate(self, text: str) -> str | None:
        """The English of a caption; None where the table lacks a part of it.

        What a caption has before a colon is looked up alone where the table does not have the whole.
        """
        text = plain(text)
        if text in self.rows:
            return self.rows[text].en
        found = [self.rows[part].en if part in self.rows else part for part in _parts(text)]
        return None if any(map(is_chinese, found)) else " ".join(found)

    def missing(self, texts: Iterable[str]) -> list[str]:
        """What the table lacks to translate captions: each text once, as it would stand there, sorted."""
        lacking = {
            part
            for text in texts
            if self.translate(text) is None
            for part in _parts(plain(text))
            if is_chinese(part) and part not in self.rows
        }
        return sorted(lacking)


def plain(text: str) -> str:
    """A text as it is looked up: full-width signs as ASCII ones (NFKC), single spaces, none at the ends."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def read_table(path: Path) -> Table:
    """Read a table.

    Args:
        path: UTF-8, with or without a byte order mark.

    Raises:
        ConfigError: it cannot be read, or lines are no translations; names all of them.
    """
    with text_errors(path, ConfigError, "does `translations` name the table?"):
        content = path.read_bytes()
        lines = content.decode("utf-8-sig").splitlines()
    rows: dict[str, Row] = {}
    wrong = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        row = _row(number, line)
        if isinstance(row, str):
            wrong.append(f"line {number}: {row}")
        elif row.zh in rows:
            wrong.append(f"line {number}: {row.zh!r:.60} has line {rows[row.zh].line} already; keep one of them")
        else:
            rows[row.zh] = row
    if wrong:
        raise ConfigError(f"{path}: {_listed(wrong)}")
    return Table(path, rows, sha256(content).hexdigest()[:12])


def append_row(path: Path, zh: str, en: str) -> None:
    """Add a line, so that what a translator said is kept whatever ends it."""
    content = path.read_bytes() if path.exists() else b""
    with path.open("ab") as file:
        # The last line of a file that was written by hand may lack its end.
        file.write(("" if not content or content.endswith(b"\n") else "\n").encode() + f"{zh}\t{en}\n".encode())


def _parts(text: str) -> tuple[str, ...]:
    """The beginning that names a class, where a caption has one, and the rest."""
    found = _PREFIX.fullmatch(text)
    return found.groups() if found else (text,)


def _row(number: int, line: str) -> Row | str:
    """A line's row, or what is wrong with it."""
    zh, *rest = (cell.strip() for cell in line.split("\t"))
    if not 1 <= len(rest) <= 2:
        return f"{len(rest) + 1} columns in {line!r:.60}; write the Chinese, a tab and the English"
    if not is_chinese(zh):
        return f"{zh!r:.60} is not Chinese; the Chinese stands before the tab"
    if rest[1:] not in ([], [SAME]):
        return f"{rest[1]!r:.60} behind the second tab; only {SAME!r} can stand there"
    return Row(number, plain(zh), rest[0], len(rest) == 2)


def _listed(wrong: list[str], most: int = 10) -> str:
    more = f"; and {len(wrong) - most} more lines" if len(wrong) > most else ""
    return "; ".join(wrong[:most]) + more
