"""Captions as the token ids of OpenAI's CLIP.

CLIP reads text as byte-level byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909; bytes as in GPT-2):
a caption is cleaned and lower-cased, cut into words, each word's UTF-8 bytes become symbols, and the pair of
neighbouring symbols that training merged earliest is merged until no known pair is left. Written from that
description; the ids equal those of OpenAI's own tokenizer (tests/data/golden/clip_tokens.json).

The vocabulary shipped in `scripts/shared/data/` is OpenAI's `bpe_simple_vocab_16e6.txt.gz` (MIT licence).
"""

import gzip
import heapq
import html
import json
from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import regex
from numpy.typing import NDArray

from scripts.shared.errors import ConfigError
from scripts.shared.tokenizer_files import tokenizer_files

START = "<|startoftext|>"
END = "<|endoftext|>"
END_OF_WORD = "</w>"

VOCABULARY_FILE = Path(__file__).parent / "data" / "bpe_simple_vocab_16e6.txt.gz"
# OpenAI trained more merges than CLIP uses: 49,152 ids less 256 bytes and 2 specials, counted before each
# byte got its second, word-ending symbol.
N_MERGES = 49_152 - 256 - 2

# A caption's words: the two specials, English contractions, runs of letters, single digits, runs of the rest.
_WORDS = regex.compile(
    "|".join(
        [
            *(regex.escape(special) for special in (START, END)),
            *("'" + ending for ending in ("s", "t", "re", "ve", "m", "ll", "d")),
            r"\p{L}+",
            r"\p{N}",
            r"[^\s\p{L}\p{N}]+",
        ]
    ),
    # Not idle after lower-casing: the long s (U+017F) stays as it is and matches an s.
    regex.IGNORECASE,
)

# The memo holds at most this many words, each of at most this many bytes: 50 MB at worst. Words are few (a
# million English captions use some 50,000), so that a full memo, which starts afresh, is the mark of odd text.
_MEMO_WORDS = 100_000
_MEMO_WORD_BYTES = 32


class ClipTokenizer:
    """Turns captions into the token ids of one CLIP vocabulary.

    Args:
        vocabulary: id of each symbol; ids are 0 to n - 1, each once.
        merges: pairs of symbols, earliest merge first.
        source: what the vocabulary was read from, for the error messages.

    Raises:
        ConfigError: the vocabulary and the merges are not those of a byte-level CLIP tokenizer.
    """

    def __init__(self, vocabulary: dict[str, int], merges: Sequence[tuple[str, str]], *, source: str) -> None:
        _check_ids(vocabulary, source)
        byte_symbols = _byte_symbols()
        wanted = [START, END, *byte_symbols, *(symbol + END_OF_WORD for symbol in byte_symbols)]
        missing = [symbol for symbol in wanted if symbol not in vocabulary]
        if missing:
            raise ConfigError(
                f"tokenizer: {source}: the vocabulary lacks {len(missing)} symbols that every CLIP has, "
                f"such as {missing[0]!r}; use the folder of a CLIP tokenizer, or leave `tokenizer` out for "
                "OpenAI's vocabulary"
            )
        self._merges = _number_merges(vocabulary, merges, source)
        self._byte_ids = [vocabulary[symbol] for symbol in byte_symbols]
        self._last_byte_ids = [vocabulary[symbol + END_OF_WORD] for symbol in byte_symbols]
        self._specials = {START: (vocabulary[START],), END: (vocabulary[END],)}
        self._memo: dict[str, tuple[int, ...]] = dict(self._specials)
        self._start, self._end = vocabulary[START], vocabulary[END]
        self._vocabulary = vocabulary

    @classmethod
    def from_option(cls, tokenizer: str) -> "ClipTokenizer":
        """The tokenizer that the configuration names: `embedded`, or a folder; see `from_folder`."""
        return cls.embedded() if tokenizer == "embedded" else cls.from_folder(Path(tokenizer))

    @classmethod
    @cache  # reading it takes a good part of a second
    def embedded(cls) -> "ClipTokenizer":
        """OpenAI's tokenizer, from the vocabulary file shipped with the project; one for the whole process."""
        lines = gzip.decompress(VOCABULARY_FILE.read_bytes()).decode("utf-8").split("\n")
        merges = _split_merges(lines[1 : N_MERGES + 1], VOCABULARY_FILE.name)
        byte_symbols = _byte_symbols()
        # Ids go to the symbols in the order of their byte symbols, not of the bytes.
        alphabet = sorted(byte_symbols, key=lambda symbol: (ord(symbol) >= 256, ord(symbol)))
        symbols = [
            *alphabet,
            *(symbol + END_OF_WORD for symbol in alphabet),
            *(first + second for first, second in merges),
            START,
            END,
        ]
        vocabulary = {symbol: number for number, symbol in enumerate(symbols)}
        return cls(vocabulary, merges, source=VOCABULARY_FILE.name)

    @classmethod
    def from_folder(cls, folder: Path) -> "ClipTokenizer":
        """The tokenizer of a local Hugging Face CLIP folder.

        Args:
            folder: holds `vocab.json` and `merges.txt`, or else `tokenizer.json`.

        Returns:
            The tokenizer; text is cleaned as OpenAI does it, whatever the folder's own normaliser.

        Raises:
            ConfigError: files are missing, damaged, or not those of a byte-level CLIP tokenizer.
        """
        first, *others = tokenizer_files(folder)
        if others:
            vocabulary_path, merges_path = first, others[0]
            vocabulary = _checked_vocabulary(_read_json(vocabulary_path), str(vocabulary_path))
            lines = _read_text(merges_path).split("\n")
            if lines[0].startswith("#version"):
                del lines[0]
            merges = _split_merges([line for line in lines if line.strip()], str(merges_path))
            return cls(vocabulary, merges, source=str(folder))
        vocabulary, merges = _unpack_tokenizer_json(_read_json(first), str(first))
        return cls(vocabulary, merges, source=str(first))

    def __len__(self) -> int:
        return len(self._vocabulary)

    def write(self, folder: Path) -> None:
        """Write `vocab.json` and `merges.txt`, which `from_folder` reads, as Hugging Face's CLIP folders have them."""
        symbols = {number: symbol for symbol, number in self._vocabulary.items()}
        ranked = sorted((rank, *pair) for pair, (rank, _) in self._merges.items())
        merges = [f"{symbols[first]} {symbols[second]}" for _, first, second in ranked]
        vocabulary = json.dumps(dict(sorted(self._vocabulary.items(), key=lambda entry: entry[1])), ensure_ascii=False)
        (folder / "vocab.json").write_text(vocabulary + "\n", encoding="utf-8")
        (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), encoding="utf-8")

    @cached_property
    def fingerprint(self) -> str:
        """Blake2b (16 bytes, hex) of ids and merges: equal for equal vocabularies, whatever their files."""
        digest = blake2b(digest_size=16)
        # One symbol a line; no symbol holds white space.
        digest.update("\n".join(sorted(self._vocabulary, key=self._vocabulary.__getitem__)).encode("utf-8"))
        ranked = sorted((rank, first, second) for (first, second), (rank, _) in self._merges.items())
        digest.update(np.array([[first, second] for _, first, second in ranked], dtype="<i8").tobytes())
        return digest.hexdigest()

    def encode(self, text: str, context_length: int = 77) -> NDArray[np.int64]:
        """Token ids of one caption.

        Args:
            text: the caption; any text, the empty one too.
            context_length: ids returned, at least 2.

        Returns:
            (context_length,) int64: the start id, the caption's tokens, the end id, zeros. A longer caption
            is cut so that the last id is the end id.

        Raises:
            ValueError: `context_length` is below 2.
        """
        if context_length < 2:
            raise ValueError(f"context_length is {context_length}; start and end alone are 2 ids")
        room = context_length - 2
        tokens: list[int] = []
        for word in _split_words(text):
            tokens.extend(self._memo.get(word) or self._encode_word(word))
            if len(tokens) >= room:  # the rest of a long text could change nothing
                del tokens[room:]
                break
        ids = np.zeros(context_length, dtype=np.int64)
        ids[: len(tokens) + 2] = [self._start, *tokens, self._end]
        return ids

    def count(self, text: str) -> int:
        """Ids of a caption with start and end, uncut."""
        return 2 + sum(len(self._memo.get(word) or self._encode_word(word)) for word in _split_words(text))

    def decode(self, ids: Sequence[int] | NDArray[np.int64]) -> str:
        """The caption that token ids spell: cleaned and in lower case, its words apart by single spaces.

        Args:
            ids: as `encode` gives them.

        Returns:
            The text; a character of which the ids hold only a part, as where a caption was cut, is U+FFFD.

        Raises:
            ValueError: an id for which the vocabulary has no text, or ids without the start and the end id.
        """
        held = [int(number) for number in ids]
        if not held or held[0] != self._start or self._end not in held:
            raise ValueError("the ids do not begin with the start id, or have no end id")
        # The last end id ends the caption, since a caption may spell that symbol; 0 is padding only after it.
        last = len(held) - 1 - held[::-1].index(self._end)
        spellings = self._spellings
        unknown = [number for number in held[1:last] if number not in spellings]
        if unknown:
            raise ValueError(f"the vocabulary has no text for id {unknown[0]}")
        return b"".join(spellings[number] for number in held[1:last]).decode(errors="replace").strip()

    @cached_property
    def _spellings(self) -> dict[int, bytes]:
        """The bytes of each id; those that end a word have a space after them."""
        byte_of = {symbol: byte for byte, symbol in enumerate(_byte_symbols())}
        spellings = {self._vocabulary[special]: f"{special} ".encode() for special in self._specials}
        for symbol, number in self._vocabulary.items():
            head = symbol.removesuffix(END_OF_WORD)
            if number not in spellings and byte_of.keys() >= set(head):
                spellings[number] = bytes(map(byte_of.__getitem__, head)) + (b" " if head != symbol else b"")
        return spellings

    def _encode_word(self, word: str) -> tuple[int, ...]:
        """Token ids of one word, kept in the memo unless the word is very long."""
        *head, last = word.encode("utf-8")
        tokens = tuple(self._merge([*(self._byte_ids[byte] for byte in head), self._last_byte_ids[last]]))
        if len(head) < _MEMO_WORD_BYTES:
            if len(self._memo) >= _MEMO_WORDS:
                self._memo = dict(self._specials)
            self._memo[word] = tokens
        return tokens

    def _merge(self, symbols: list[int]) -> list[int]:
        """Merge neighbours, earliest known merge first, until none is left.

        A queue of the mergeable pairs keeps a text without spaces of length n at n log n steps, where
        looking through the whole word for each merge would take minutes for a page of Chinese.

        Args:
            symbols: ids of a word's byte symbols; overwritten.

        Returns:
            Ids of the merged symbols.
        """
        merges = self._merges
        n_symbols = len(symbols)
        # Symbols form a linked list; a symbol that was merged into its left neighbour is -1.
        following = list(range(1, n_symbols + 1))
        preceding = list(range(-1, n_symbols - 1))
        queue = [
            (known[0], left)
            for left in range(n_symbols - 1)
            if (known := merges.get((symbols[left], symbols[left + 1]))) is not None
        ]
        heapq.heapify(queue)
        while queue:
            # All places of the earliest pair are merged, left to right, before any new pair is looked at.
            rank = queue[0][0]
            merged: list[int] = []
            while queue and queue[0][0] == rank:
                _, left = heapq.heappop(queue)
                right = following[left]
                if right >= n_symbols:
                    continue
                known = merges.get((symbols[left], symbols[right]))
                if known is None or known[0] != rank:  # a neighbour was merged away since
                    continue
                symbols[left], symbols[right] = known[1], -1
                following[left] = following[right]
                if following[left] < n_symbols:
                    preceding[following[left]] = left
                merged.append(left)
            for left in merged:
                for first in (preceding[left], left):
                    second = following[first] if first >= 0 else n_symbols
                    if second < n_symbols and (known := merges.get((symbols[first], symbols[second]))):
                        heapq.heappush(queue, (known[0], first))
        return [symbol for symbol in symbols if symbol >= 0]


def _split_words(text: str) -> Iterator[str]:
    """Clean a caption and cut it into CLIP's words.

    Runs of white space need not be collapsed, as CLIP's published cleaning does: no word can hold any.
    """
    # On printable ASCII without entities the full cleaning changes nothing but takes four times as long.
    if not (text.isascii() and text.isprintable() and "&" not in text):
        import ftfy  # 0.1 s, which a run of plain English captions never needs

        text = html.unescape(html.unescape(ftfy.fix_text(text)))
    for match in _WORDS.finditer(text.strip().lower()):
        yield match[0]


def _byte_symbols() -> list[str]:
    """The visible character that stands for each byte: (256,), GPT-2's table.

    Bytes that are visible in Latin-1 stand for themselves; the others (control characters, spaces, the soft
    hyphen) take the characters from U+0100 on.
    """
    visible = {*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    spare = iter(range(0x100, 0x200))
    return [chr(byte if byte in visible else next(spare)) for byte in range(256)]


def _number_merges(
    vocabulary: dict[str, int], merges: Sequence[tuple[str, str]], source: str
) -> dict[tuple[int, int], tuple[int, int]]:
    """Merges as ids: (first, second) -> (rank, merged)."""
    numbered: dict[tuple[int, int], tuple[int, int]] = {}
    for rank, (first, second) in enumerate(merges):
        for symbol in (first, second, first + second):
            if symbol not in vocabulary:
                raise ConfigError(
                    f"tokenizer: {source}: merge {rank + 1} is {first!r} {second!r}, but {symbol!r} is not "
                    "in the vocabulary; the two belong to different models or are damaged, copy both again"
                )
        pair = (vocabulary[first], vocabulary[second])
        if pair in numbered:
            raise ConfigError(
                f"tokenizer: {source}: merge {rank + 1}, {first!r} {second!r}, is there twice; the merges "
                "are damaged, copy them again"
            )
        numbered[pair] = (rank, vocabulary[first + second])
    # A merges file that was cut short would give other ids without a word.
    made = {merged for _, merged in numbered.values()}
    alphabet = {symbol + ending for symbol in _byte_symbols() for ending in ("", END_OF_WORD)}
    unmade = [
        symbol
        for symbol, number in vocabulary.items()
        if number not in made
        and symbol not in alphabet
        # Special tokens, such as <pad>, are made by none; `<3</w>` is a word.
        and not (symbol.startswith("<") and symbol.endswith(">") and not symbol.endswith(END_OF_WORD))
    ]
    if unmade:
        raise ConfigError(
            f"tokenizer: {source}: {len(unmade)} symbols of the vocabulary, such as {unmade[0]!r}, are made "
            f"by none of the {len(merges)} merges; the merges are cut short or of another model, copy both again"
        )
    return numbered


def _split_merges(lines: Sequence[str], source: str) -> list[tuple[str, str]]:
    """Merges written as `first second`, one a line."""
    merges = []
    for number, line in enumerate(lines, start=1):
        parts = line.split()
        if len(parts) != 2:
            raise ConfigError(
                f"tokenizer: {source}: merge {number} is {line[:60]!r}, not two symbols with a space between "
                "them; the file is damaged, copy it again"
            )
        merges.append((parts[0], parts[1]))
    return merges


def _check_ids(vocabulary: dict[str, int], source: str) -> None:
    """Ids must be 0 to n - 1, each once, as the rows of a model's embedding are."""
    missing = set(range(len(vocabulary))).difference(vocabulary.values())
    if missing:
        raise ConfigError(
            f"tokenizer: {source}: a vocabulary of {len(vocabulary)} symbols must have the ids 0 to "
            f"{len(vocabulary) - 1}, but {len(missing)} of them are missing, such as {min(missing)}; "
            "the file is damaged or edited, copy it again"
        )


def _checked_vocabulary(value: Any, source: str) -> dict[str, int]:
    """The value as a vocabulary, if it is an object of whole numbers."""
    if not isinstance(value, dict):
        raise ConfigError(f"tokenizer: {source}: must be an object of symbols and ids; copy it again")
    for symbol, number in value.items():
        if type(number) is not int:
            raise ConfigError(
                f"tokenizer: {source}: the id of {symbol!r} is {number!r}, not a whole number; "
                "the file is damaged, copy it again"
            )
    return value


def _unpack_tokenizer_json(value: Any, source: str) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges of a `tokenizer.json`; its added tokens (start and end) count as vocabulary."""
    model = value.get("model") if isinstance(value, dict) else None
    if not isinstance(model, dict) or not isinstance(model.get("merges"), list):
        raise ConfigError(
            f"tokenizer: {source}: has no `model` with `vocab` and `merges`, so it is no byte-pair "
            "tokenizer; use the folder of a CLIP tokenizer"
        )
    vocabulary = dict(_checked_vocabulary(model.get("vocab"), source))
    try:
        added = {str(token["content"]): token["id"] for token in value.get("added_tokens") or []}
        # Older files write a merge as "a b", newer ones as ["a", "b"].
        lines = [line if isinstance(line, str) else " ".join(line) for line in model["merges"]]
    except (KeyError, TypeError):
        raise ConfigError(
            f"tokenizer: {source}: `added_tokens` or `merges` are not those of a tokenizer; copy the file again"
        ) from None
    vocabulary.update(_checked_vocabulary(added, source))
    return vocabulary, _split_merges(lines, source)


def _read_text(path: Path) -> str:
    """A file of the tokenizer folder as text."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"tokenizer: {path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ConfigError(f"tokenizer: {path} is not UTF-8 text; copy the file again") from None


def _read_json(path: Path) -> Any:
    """A JSON file of the tokenizer folder."""
    try:
        return json.loads(_read_text(path))
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"tokenizer: {path} is not JSON (line {error.lineno}: {error.msg}); copy the file again"
        ) from None
    except RecursionError:
        raise ConfigError(f"tokenizer: {path} is not JSON of a tokenizer; copy the file again") from None
