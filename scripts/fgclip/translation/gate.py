"""What a translation must be to be used: English, one short sentence that CLIP reads to its end, and its own."""

from collections.abc import Iterable

from scripts.fgclip.data.item_check import MOST_TOKENS, is_chinese
from scripts.fgclip.translation.table import SAME, Table
from scripts.shared.clip_tokens import ClipTokenizer
from scripts.shared.errors import ConfigError

MOST_WORDS = 20
_SHOWN = 10


class Gate:
    """Looks at translations, with CLIP's own tokens."""

    def __init__(self) -> None:
        self._tokens = ClipTokenizer.embedded()

    def complaint(self, en: str) -> str:
        """What is wrong with an English text; empty where nothing is."""
        if not en.strip():
            return "the English is empty"
        if is_chinese(en):
            return f"{en!r:.80} is not all English"
        if (n_words := len(en.split())) > MOST_WORDS:
            return f"{n_words} words, of {MOST_WORDS} at most; shorten {en!r:.80}"
        if (n_tokens := self._tokens.count(en)) > MOST_TOKENS:
            return f"{n_tokens} tokens, of which CLIP reads {MOST_TOKENS}; shorten {en!r:.80}"
        return ""

    def check_table(self, table: Table) -> None:
        """Look at every row of a table.

        Raises:
            ConfigError: rows cannot be used; names the lines, and what to do.
        """
        wrong = [
            f"line {row.line}: {complaint}" for row in table.rows.values() if (complaint := self.complaint(row.en))
        ]
        wrong += _shared(table)
        if wrong:
            more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
            raise ConfigError(f"{table.path}: {'; '.join(wrong[:_SHOWN])}{more}")

    def check_captions(self, table: Table, captions: Iterable[str]) -> None:
        """Look at whole captions, which a beginning makes longer.

        Raises:
            ConfigError: one is longer than what CLIP reads.
        """
        for caption in captions:
            if (n_tokens := self._tokens.count(caption)) > MOST_TOKENS:
                raise ConfigError(
                    f"{table.path}: {caption!r:.80} has {n_tokens} tokens, of which CLIP reads {MOST_TOKENS}; shorten "
                    "its translation"
                )


def _shared(table: Table) -> list[str]:
    """Rows whose English another row has before them, and that do not say that this is meant."""
    first: dict[str, int] = {}
    wrong = []
    for row in table.rows.values():
        english = " ".join(row.en.lower().split())
        line = first.setdefault(english, row.line)
        if line != row.line and not row.same and english:
            wrong.append(
                f"lines {line} and {row.line}: two Chinese texts and one English, {row.en!r:.60}; tell them apart, or "
                f"write {SAME!r} behind a second tab"
            )
    return wrong
