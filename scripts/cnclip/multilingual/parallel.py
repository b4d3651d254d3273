"""Captions that stand beside their translations: a JSON object a line, language to caption."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scripts.shared.errors import ConfigError
from scripts.shared.json_items import BrokenItemError, read_items
from scripts.shared.training.control import strange_captions

TEACHER_LANGUAGE = "zh"  # what a Chinese CLIP reads
_LANGUAGE = re.compile(r"[a-z]{2,8}")
_EXAMPLE = '{"zh": "一只猫", "en": "a cat"}'
_MOST_NAMED = 5
_FEWEST_HELD_OUT, _MOST_HELD_OUT = 10, 1000
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class ParallelCaptions:
    """Captions and their translations.

    Attributes:
        rows: language to caption, each with the teacher's language among them; in file order.
        skipped: what is wrong with the lines that are left out, with their places.
    """

    rows: tuple[Mapping[str, str], ...]
    skipped: tuple[str, ...] = ()

    @property
    def languages(self) -> tuple[str, ...]:
        """All languages that occur, the teacher's first, the others sorted."""
        others = {language for row in self.rows for language in row} - {TEACHER_LANGUAGE}
        return (TEACHER_LANGUAGE, *sorted(others))

    @property
    def pairs(self) -> list[tuple[int, str, str]]:
        """(number of the row, language, caption) of every caption, row by row in the order of `languages`."""
        languages = self.languages
        return [(i, name, row[name]) for i, row in enumerate(self.rows) for name in languages if name in row]


def read_parallel(path: Path) -> ParallelCaptions:
    """Read captions such as `{"zh": "一只猫", "en": "a cat"}`, one object a line.

    A line that cannot be used is left out, counted and logged; the others stay.

    Args:
        path: JSON Lines or a JSON list, UTF-8. Languages are named by codes such as `en`; not every line needs
            all of them.

    Raises:
        ConfigError: the file cannot be read, or no line can be used.
    """
    rows: list[Mapping[str, str]] = []
    skipped: list[str] = []
    for number, item in enumerate(read_items(path), 1):
        fault = _fault(item)
        if fault:
            skipped.append(f"caption {number}: {fault}")
        else:
            rows.append({language: caption.strip() for language, caption in item.items()})
    for words in skipped[:_MOST_NAMED]:
        _LOG.warning("%s: %s; left out", path, words)
    if len(skipped) > _MOST_NAMED:
        _LOG.warning("%s: %d more lines are left out", path, len(skipped) - _MOST_NAMED)
    if not rows:
        why = f" ({skipped[0]})" if skipped else ""
        raise ConfigError(f"{path}: no captions to learn from{why}; write a line such as " + _EXAMPLE)
    if not any(len(row) > 1 for row in rows):
        raise ConfigError(
            f"{path}: all captions are in {TEACHER_LANGUAGE} alone; add translations, such as " + _EXAMPLE
        )
    return ParallelCaptions(tuple(rows), tuple(skipped))


def held_out(captions: ParallelCaptions, *, seed: int) -> tuple[ParallelCaptions, ParallelCaptions]:
    """Set a tenth of what is said aside, a thousand captions at most, to see what was learned.

    A caption that occurs on several lines, with other translations, stays on one side with all of them.

    Args:
        captions: all.
        seed: of the choice.

    Returns:
        Those to learn from, and those set aside: none where that would be fewer than ten.
    """
    said = list(dict.fromkeys(row[TEACHER_LANGUAGE] for row in captions.rows))
    n_held = min(len(said) // 10, _MOST_HELD_OUT)
    if n_held < _FEWEST_HELD_OUT:
        return captions, ParallelCaptions(())
    held = {said[i] for i in np.random.default_rng(seed).permutation(len(said))[:n_held]}
    parts = [tuple(row for row in captions.rows if (row[TEACHER_LANGUAGE] in held) == aside) for aside in (False, True)]
    return ParallelCaptions(parts[0], captions.skipped), ParallelCaptions(parts[1])


def shuffled(captions: ParallelCaptions, *, seed: int) -> ParallelCaptions:
    """Give each translation the meaning of another: the control, of which nothing can be learned.

    Args:
        captions: to be dealt out anew.
        seed: of the dealing.
    """
    others = strange_captions(len(captions.rows), seed)
    rows = tuple(
        {**row, TEACHER_LANGUAGE: captions.rows[other][TEACHER_LANGUAGE]}
        for row, other in zip(captions.rows, others, strict=True)
    )
    return ParallelCaptions(rows, captions.skipped)


def _fault(item: Any) -> str:
    """What keeps a line from being used; empty where nothing does."""
    if isinstance(item, BrokenItemError):
        return str(item)
    if not isinstance(item, dict):
        return f"{str(item)[:40]!r} is no object; write a line such as {_EXAMPLE}"
    if TEACHER_LANGUAGE not in item:
        return f"has no {TEACHER_LANGUAGE!r}, which the Chinese model reads"
    for language, caption in item.items():
        if not _LANGUAGE.fullmatch(language):
            return f"{language[:40]!r} names no language; use a code such as en"
        if not isinstance(caption, str) or not caption.strip():
            return f"{language!r} is {str(caption)[:40]!r}, not a caption"
    return ""
