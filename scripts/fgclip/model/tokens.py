"""Texts as token ids: OpenAI's vocabulary, that of a CLIP folder, or words of our own for tiny models.

All give start, tokens, end, zeros. What stands after the end changes nothing: the text tower looks only back, and the
vector is read at the first end.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import AddedToken
from tokenizers import Tokenizer as LibraryTokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace

from scripts.shared.clip_tokens import END, START, ClipTokenizer
from scripts.shared.errors import ConfigError
from scripts.shared.tokenizer_files import tokenizer_files

TOKENIZER = "tokenizer.json"
_PAD, _UNKNOWN = "<|pad|>", "<|unknown|>"
_BYTE_PAIRS = "BPE"


class Tokenizer(Protocol):
    """Texts to token ids.

    Attributes:
        context_length: L, ids of a text unless told.
        end_id: id of the end of a text, at which its vector is read.
        n_entries: of the vocabulary; ids are below it.
    """

    context_length: int
    end_id: int
    n_entries: int

    def encode(self, texts: Sequence[str], context_length: int | None = None) -> NDArray[np.int64]:
        """Ids of texts, (n, L) int64; a longer text is cut so that its last id is the end."""
        ...

    def count(self, text: str) -> int:
        """Ids of a text with start and end, uncut."""
        ...

    def write(self, folder: Path) -> None:
        """Write the files from which `open_tokenizer` makes the same one."""
        ...


class BytePairs:
    """A CLIP's byte pairs; see `ClipTokenizer`.

    Args:
        tokenizer: with its vocabulary.
        context_length: see `Tokenizer`.
    """

    def __init__(self, tokenizer: ClipTokenizer, context_length: int) -> None:
        self._tokenizer = tokenizer
        self.context_length = context_length
        self.end_id = int(tokenizer.encode("", 2)[1])
        self.n_entries = len(tokenizer)

    def encode(self, texts: Sequence[str], context_length: int | None = None) -> NDArray[np.int64]:
        """See `Tokenizer.encode`."""
        length = context_length or self.context_length
        if not texts:
            return np.zeros((0, length), dtype=np.int64)
        return np.stack([self._tokenizer.encode(text, length) for text in texts])

    def count(self, text: str) -> int:
        """See `Tokenizer.count`."""
        return self._tokenizer.count(text)

    def write(self, folder: Path) -> None:
        """See `Tokenizer.write`; the files are those of a CLIP folder in Hugging Face's layout."""
        self._tokenizer.write(folder)
        said = {
            "tokenizer_class": "CLIPTokenizer",
            "model_max_length": self.context_length,
            "bos_token": START,
            **{f"{name}_token": END for name in ("eos", "pad", "unk")},
        }
        (folder / "tokenizer_config.json").write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")


class LibraryTokens:
    """A vocabulary of the tokenizers library, such as `word_tokens` makes.

    Args:
        tokenizer: knows the symbols for start and end; adds none of them itself.
        context_length: see `Tokenizer`.
        source: what it was read from, for the error messages.

    Raises:
        ConfigError: it has no symbol for start or end.
    """

    def __init__(self, tokenizer: LibraryTokenizer, context_length: int, *, source: str) -> None:
        start, end = tokenizer.token_to_id(START), tokenizer.token_to_id(END)
        if start is None or end is None:
            raise ConfigError(
                f"clip: {source}: has no {START if start is None else END} in its vocabulary, so it is not the "
                "tokenizer of a CLIP; copy that of this model"
            )
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._start: int = start
        self.end_id: int = end
        self.context_length = context_length
        self.n_entries: int = tokenizer.get_vocab_size()

    def encode(self, texts: Sequence[str], context_length: int | None = None) -> NDArray[np.int64]:
        """See `Tokenizer.encode`."""
        length = context_length or self.context_length
        ids = np.zeros((len(texts), length), dtype=np.int64)
        for row, text in zip(ids, texts, strict=True):
            tokens = self._tokens(text)[: length - 2]
            row[: len(tokens) + 2] = [self._start, *tokens, self.end_id]
        return ids

    def count(self, text: str) -> int:
        """See `Tokenizer.count`."""
        return len(self._tokens(text)) + 2

    def write(self, folder: Path) -> None:
        """See `Tokenizer.write`."""
        (folder / TOKENIZER).write_text(self._tokenizer.to_str(pretty=True) + "\n", encoding="utf-8")

    def _tokens(self, text: str) -> list[int]:
        # Half of a surrogate pair, which JSON can spell, is no text to the library.
        spelt = text.encode(errors="replace").decode()
        tokens: list[int] = self._tokenizer.encode(spelt, add_special_tokens=False).ids
        return tokens


def openai_tokens(context_length: int) -> BytePairs:
    """OpenAI's own vocabulary."""
    return BytePairs(ClipTokenizer.embedded(), context_length)


def word_tokens(texts: Iterable[str], context_length: int) -> LibraryTokens:
    """A tokenizer whose vocabulary is the words of these texts, in order of the alphabet; others are unknown.

    For tiny models, of whose rows for 49,408 byte pairs nearly all would never learn. The end has the highest id, as
    in OpenAI's vocabulary, so that transformers reads the vector there whatever the version of a configuration.
    """
    splitter, lower = Whitespace(), Lowercase()
    words = sorted({word for text in texts for word, _ in splitter.pre_tokenize_str(lower.normalize_str(text))})
    entries = [_PAD, _UNKNOWN, *words, START, END]
    library = LibraryTokenizer(WordLevel({word: number for number, word in enumerate(entries)}, unk_token=_UNKNOWN))
    library.normalizer = lower
    library.pre_tokenizer = splitter
    library.add_special_tokens([AddedToken(symbol, special=True, normalized=False) for symbol in (START, END)])
    return LibraryTokens(library, context_length, source="words")


def open_tokenizer(folder: Path, context_length: int) -> Tokenizer:
    """The tokenizer of a model folder, or of a CLIP folder in Hugging Face's layout.

    Args:
        folder: holds `vocab.json` and `merges.txt`, or `tokenizer.json`.
        context_length: ids of a text.

    Raises:
        ConfigError: the folder has none of them, or they are damaged.
    """
    first, *others = tokenizer_files(folder)
    if others or _model_of(first) == _BYTE_PAIRS:
        return BytePairs(ClipTokenizer.from_folder(folder), context_length)
    try:
        library = LibraryTokenizer.from_file(str(first))
    except Exception as error:
        raise ConfigError(f"clip: {first}: is no tokenizer ({error}); copy it again") from error
    return LibraryTokens(library, context_length, source=str(first))


def _model_of(path: Path) -> str:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return str(said["model"].get("type", _BYTE_PAIRS))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(f"clip: {path}: is no tokenizer ({error}); copy it again") from error
