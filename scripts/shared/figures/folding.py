"""Texts folded to a width, in which a Chinese letter takes the room of two others."""

import unicodedata
from collections.abc import Iterator, Sequence

from scripts.shared.figures.style import drawable

_MORE = "..."


def folded(texts: Sequence[str], *, width: int, n_lines: int) -> list[str]:
    """Lines of texts, as far as they can be drawn; the last ends in ... where more follows.

    Args:
        texts: each begins a line of its own; white space in them counts once.
        width: of a line, in halves of a Chinese letter.
        n_lines: most lines.
    """
    lines = [line for text in texts for line in _lines(drawable(" ".join(text.split())), width)]
    if len(lines) <= n_lines:
        return lines
    return [*lines[: n_lines - 1], next(_lines(lines[n_lines - 1], width - len(_MORE))) + _MORE]


def _lines(text: str, width: int) -> Iterator[str]:
    line, used = "", 0
    for mark in text:
        wide = 2 if unicodedata.east_asian_width(mark) in "WF" else 1
        if used + wide > width:
            yield line
            line, used = "", 0
        line, used = line + mark, used + wide
    yield line
