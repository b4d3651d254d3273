"""Chinese BERT's tokenizer as Chinese CLIP uses it.

Written from the description of BERT's tokenizer (Devlin et al. 2019, arXiv:1810.04805): clean, set Chinese characters
apart, lower case without accents, cut at punctuation, then the longest known pieces from the left. It is not that of
transformers, which gives up on words above 100 characters, drops private-use characters, misses U+2B820 to U+2B91F,
and takes a `[SEP]` in a caption for its own.
"""

import hashlib
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scripts.shared.errors import ConfigError

VOCABULARY_FILE = Path(__file__).resolve().parent / "model_files" / "vocab.txt"
CONTEXT_LENGTH = 52  # ids a text, with which all official models were trained
PAD, UNKNOWN, START, END = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
_SPECIAL = (PAD, UNKNOWN, START, END, "[MASK]")
_INSIDE = "##"  # before a piece that does not begin its word
_LONGEST_WORD = 200  # characters; a longer one is unknown as a whole
_MEMO_WORDS = 65_536
_SPACES = " \t\n\r"
_ACCENT = "Mn"
_CHINESE = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)
_QUOTES = str.maketrans("“”", '""')


def normalise(text: str) -> str:
    """A caption as training, evaluation and zero-shot read it: in lower case, with straight double quotes."""
    return text.lower().translate(_QUOTES)


def character_classes() -> dict[str, list[list[int]]]:
    """Which characters are treated alike, for a tokenizer in another language whose Unicode may be newer or older.

    Returns:
        Ranges of code points, [first, last], ascending: `spaces` (become one), `dropped`, `apart` (a word each),
        `breaks` (end a word although they are no spaces), `accents` (dropped after decomposition) and `punctuation`
        (a word each).
    """
    kinds: dict[str, list[list[int]]] = {
        name: [] for name in ("spaces", "dropped", "apart", "breaks", "accents", "punctuation")
    }
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        cleaned = _cleaned.__wrapped__(character)
        holds = {
            "spaces": cleaned == " ",
            "dropped": not cleaned,
            "apart": len(cleaned) > 1,
            "breaks": cleaned == character and character != " " and character.isspace(),
            "accents": unicodedata.category(character) == _ACCENT,
            "punctuation": _is_punctuation.__wrapped__(character),
        }
        for name, ranges in kinds.items():
            if not holds[name]:
                continue
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return kinds


class Tokenizer:
    """Texts to token ids.

    Args:
        vocab: one entry a line, its number the id; None for the official vocabulary.

    Raises:
        ConfigError: it cannot be read, or is not the vocabulary of a Chinese BERT; names the mend.
    """

    def __init__(self, vocab: Path | None = None) -> None:
        path = vocab or VOCABULARY_FILE
        self._ids = _read_vocabulary(path)
        self._words: dict[str, tuple[int, ...]] = {}
        self._path = path

    def __len__(self) -> int:
        return len(self._ids)

    @cached_property
    def identity(self) -> str:
        """SHA-256 of the vocabulary file, 64 hexadecimal digits."""
        return hashlib.sha256(self._path.read_bytes()).hexdigest()

    def encode(self, texts: Sequence[str], context_length: int = CONTEXT_LENGTH) -> NDArray[np.int64]:
        """Token ids of texts, as they are: see `normalise` for captions.

        Args:
            texts: any, empty ones too.
            context_length: ids a text, at least 2.

        Returns:
            (n, context_length) int64: start, pieces, end, zeros; the pieces of a longer text are cut.

        Raises:
            TypeError: `texts` is one text, not a sequence of them.
            ValueError: `context_length` is below 2.
        """
        if isinstance(texts, str):
            raise TypeError("encode takes a list of texts; for a single one write [text]")
        if context_length < 2:
            raise ValueError(f"context_length is {context_length}; start and end alone are 2 ids")
        ids = np.zeros((len(texts), context_length), dtype=np.int64)
        for row, text in zip(ids, texts, strict=True):
            pieces = [self._ids[START], *self._pieces(text, context_length - 2), self._ids[END]]
            row[: len(pieces)] = pieces
        return ids

    def _pieces(self, text: str, room: int) -> list[int]:
        pieces: list[int] = []
        for word in _words(text):
            pieces += self._word(word)
            if len(pieces) >= room:  # the rest of a long text could change nothing
                break
        return pieces[:room]

    def _word(self, word: str) -> tuple[int, ...]:
        known = self._words.get(word)
        if known is None:
            known = self._split(word)
            if len(self._words) >= _MEMO_WORDS:
                self._words.clear()
            self._words[word] = known
        return known

    def _split(self, word: str) -> tuple[int, ...]:
        """The longest known piece from the left, again and again; one unknown rest makes the word unknown."""
        unknown = (self._ids[UNKNOWN],)
        if len(word) > _LONGEST_WORD:
            return unknown
        pieces: list[int] = []
        start = 0
        while start < len(word):
            prefix = _INSIDE if start else ""
            ends = range(len(word), start, -1)
            found = next((end for end in ends if prefix + word[start:end] in self._ids), None)
            if found is None:
                return unknown
            pieces.append(self._ids[prefix + word[start:found]])
            start = found
        return tuple(pieces)


def _words(text: str) -> Iterator[str]:
    """The words of a text, in lower case and without accents; a punctuation mark is a word of its own."""
    for rough in "".join(map(_cleaned, text)).split():
        bare = "".join(c for c in unicodedata.normalize("NFD", rough.lower()) if unicodedata.category(c) != _ACCENT)
        yield from "".join(f" {c} " if _is_punctuation(c) else c for c in bare).split()


@lru_cache(maxsize=_MEMO_WORDS)
def _cleaned(character: str) -> str:
    """What a character becomes: itself, a space, nothing, or itself between spaces."""
    code, category = ord(character), unicodedata.category(character)
    if character in _SPACES or category == "Zs":
        return " "
    if code in (0, 0xFFFD) or category in ("Cc", "Cf"):
        return ""
    if any(first <= code <= last for first, last in _CHINESE):
        return f" {character} "
    return character


@lru_cache(maxsize=_MEMO_WORDS)
def _is_punctuation(character: str) -> bool:
    if character.isascii():
        return character.isprintable() and not character.isalnum() and character != " "
    return unicodedata.category(character).startswith("P")


def _read_vocabulary(path: Path) -> dict[str, int]:
    try:
        lines = path.read_bytes().decode("utf-8").rstrip("\r\n").split("\n")
    except OSError as error:
        raise ConfigError(f"{path}: the vocabulary cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: the vocabulary is not UTF-8 text; copy it again") from error
    ids = {line.rstrip("\r"): number for number, line in enumerate(lines)}
    lacking = [entry for entry in _SPECIAL if entry not in ids]
    mend = "use the vocab.txt of the model's own folder, or leave it out for the official one"
    if lacking:
        raise ConfigError(f"{path}: has no entry {lacking[0]}, so it is not the vocabulary of a BERT; {mend}")
    if len(ids) <= len(_SPECIAL):
        raise ConfigError(f"{path}: holds the {len(ids)} special entries and not one word; {mend}")
    if len(ids) != len(lines):
        raise ConfigError(f"{path}: holds {len(lines) - len(ids)} entries twice; it is damaged, {mend}")
    if ids[PAD] != 0:
        raise ConfigError(f"{path}: {PAD} stands in line {ids[PAD] + 1}; models take id 0 for padding, {mend}")
    return ids
