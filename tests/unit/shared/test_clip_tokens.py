"""The tokenizer gives OpenAI's ids, from its own vocabulary and from folders, and refuses damaged folders."""

import json
import subprocess
import sys
from collections.abc import Callable
from copy import copy
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.shared import clip_tokens
from scripts.shared.clip_tokens import END, END_OF_WORD, START, VOCABULARY_FILE, ClipTokenizer
from scripts.shared.errors import ConfigError

REPOSITORY = Path(__file__).parents[3]
GOLDEN: list[tuple[str, list[int]]] = json.loads(
    (REPOSITORY / "tests/data/golden/clip_tokens.json").read_text(encoding="utf-8")
)["cases"]
ENGLISH = [text for text, _ in GOLDEN if text.isascii() and text.isprintable() and "&" not in text]

lawful = settings(derandomize=True, deadline=None, max_examples=300)


@pytest.fixture(scope="module")
def tokenizer() -> ClipTokenizer:
    return ClipTokenizer.embedded()


@pytest.fixture(scope="module")
def symbols() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges of the embedded tokenizer, as Hugging Face's files spell them."""
    embedded = ClipTokenizer.embedded()
    names = {number: symbol for symbol, number in embedded._vocabulary.items()}
    ranked = sorted((rank, pair) for pair, (rank, _) in embedded._merges.items())
    return dict(embedded._vocabulary), [(names[first], names[second]) for _, (first, second) in ranked]


def padded(ids: list[int], length: int = 77) -> list[int]:
    return ids + [0] * (length - len(ids))


def write_two_files(folder: Path, vocabulary: Any, merges: list[tuple[str, str]]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges), ""]
    (folder / "merges.txt").write_text("\n".join(lines), encoding="utf-8")


def test_the_shipped_vocabulary_is_openais_file() -> None:
    expected = "924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a"
    assert sha256(VOCABULARY_FILE.read_bytes()).hexdigest() == expected


def test_the_text_that_ids_spell_has_these_ids_again(tokenizer: ClipTokenizer) -> None:
    n_spelled = 0
    for text, ids in GOLDEN:
        if len(ids) < 77:  # a text that was cut may end in half a character
            assert tokenizer.encode(tokenizer.decode(padded(ids))).tolist() == padded(ids), text
            n_spelled += 1
    assert n_spelled > 300


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("A player's pick,  isn't it?", "a player 's pick , isn 't it ?"),
        ("挖石头 with a pick", "挖石头 with a pick"),
        ("<|endoftext|> inside", "<|endoftext|> inside"),
        ("", ""),
        ("的" * 80, "的" * 25),
    ],
)
def test_ids_spell_the_cleaned_text(tokenizer: ClipTokenizer, text: str, spelled: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == spelled


@pytest.mark.parametrize("ids", [[], [320, 49407], [49406, 320], [49406, 49408, 49407], [49406, -1, 49407]])
def test_ids_of_no_caption_are_refused(tokenizer: ClipTokenizer, ids: list[int]) -> None:
    with pytest.raises(ValueError, match=r"start id|no text for id"):
        tokenizer.decode(ids)


def test_ids_are_openais_on_every_golden_text(tokenizer: ClipTokenizer) -> None:
    wrong = [text for text, ids in GOLDEN if tokenizer.encode(text).tolist() != padded(ids)]
    assert len(GOLDEN) > 300
    assert wrong == []


def test_a_caption_known_by_heart(tokenizer: ClipTokenizer) -> None:
    assert tokenizer.encode("a photo of a cat").tolist() == padded([49406, 320, 1125, 539, 320, 2368, 49407])


def test_a_full_caption_ends_with_the_end_id(tokenizer: ClipTokenizer) -> None:
    for n_words in (74, 75, 76, 200):
        ids = tokenizer.encode("cat " * n_words)
        n_kept = min(n_words, 75)
        assert ids.tolist() == padded([49406, *[2368] * n_kept, 49407])


def test_the_ascii_shortcut_changes_nothing(tokenizer: ClipTokenizer) -> None:
    # A leading character that ftfy removes sends the same text down the long way.
    for text in ENGLISH:
        assert tokenizer.encode("\ufeff" + text).tolist() == tokenizer.encode(text).tolist()


def test_plain_english_never_loads_ftfy() -> None:
    program = (
        "import sys; from scripts.shared.clip_tokens import ClipTokenizer;"
        "tokenizer = ClipTokenizer.embedded(); tokenizer.encode('a photo of a cat');"
        "assert 'ftfy' not in sys.modules; tokenizer.encode('a café'); assert 'ftfy' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=REPOSITORY)


def test_a_memo_that_overflows_changes_no_ids(tokenizer: ClipTokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_tokens, "_MEMO_WORDS", 5)
    small = copy(tokenizer)
    small._memo = dict(small._specials)
    for text, ids in GOLDEN:
        assert small.encode(text).tolist() == padded(ids)
        assert len(small._memo) <= 5
    small.encode(START + " " + END)
    assert small.encode(START)[1] == 49406


def test_very_long_words_are_not_kept(tokenizer: ClipTokenizer) -> None:
    before = len(tokenizer._memo)
    tokenizer.encode("x" * 10_000)
    assert len(tokenizer._memo) == before


@pytest.mark.timeout(60)
def test_a_page_without_spaces_takes_seconds(tokenizer: ClipTokenizer) -> None:
    text = "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年" * 2_000
    assert tokenizer.encode(text)[76] == 49407


@lawful
@given(text=st.text(alphabet=st.characters(), max_size=200), length=st.integers(2, 100))
def test_any_text_gives_start_tokens_end_and_zeros(text: str, length: int) -> None:
    ids = ClipTokenizer.embedded().encode(text, context_length=length)
    assert ids.shape == (length,)
    assert ids.dtype == np.int64
    assert ids[0] == 49406
    end = max(np.flatnonzero(ids))
    assert ids[end] == 49407
    assert ids.min() >= 0
    assert ids.max() <= 49407
    if length >= 77 and len(text) < 5:
        assert end < 76


@lawful
@given(text=st.text(alphabet=st.characters(categories=["Cs", "L", "Z"]), max_size=20))
def test_lone_surrogates_are_mended_and_never_raise(text: str) -> None:
    assert ClipTokenizer.embedded().encode(text)[0] == 49406


@lawful
@given(text=st.text(alphabet=st.sampled_from("ab cdet'sl.1é的"), max_size=120), length=st.integers(2, 76))
def test_a_shorter_context_is_the_longer_one_cut(text: str, length: int) -> None:
    long, short = (
        ClipTokenizer.embedded().encode(text, context_length=400),
        ClipTokenizer.embedded().encode(text, context_length=length),
    )
    n_tokens = min(int(np.argmax(long)) - 1, length - 2)
    assert short.tolist() == padded([*long[: n_tokens + 1].tolist(), 49407], length)


@lawful
@given(word=st.text(alphabet="abcdehinorst", min_size=1, max_size=40))
def test_merging_by_queue_is_merging_by_looking_everywhere(word: str) -> None:
    tokenizer = ClipTokenizer.embedded()
    names = tokenizer._vocabulary
    symbols = [names[letter] for letter in word[:-1]] + [names[word[-1] + END_OF_WORD]]
    plain = list(symbols)
    while True:
        pairs = [pair for pair in pairwise(plain) if pair in tokenizer._merges]
        if not pairs:
            break
        best = min(pairs, key=lambda pair: tokenizer._merges[pair][0])
        merged, place = [], 0
        while place < len(plain):
            here = tuple(plain[place : place + 2]) == best
            merged.append(tokenizer._merges[best][1] if here else plain[place])
            place += 2 if here else 1
        plain = merged
    assert tokenizer._merge(symbols) == plain


def test_a_context_without_room_is_an_error(tokenizer: ClipTokenizer) -> None:
    with pytest.raises(ValueError, match="2 ids"):
        tokenizer.encode("a", context_length=1)


@pytest.mark.parametrize("form", ["two files", "merges as texts", "merges as lists"])
def test_a_folder_of_the_same_vocabulary_gives_the_same_ids(
    form: str, tmp_path: Path, tokenizer: ClipTokenizer, symbols: tuple[dict[str, int], list[tuple[str, str]]]
) -> None:
    vocabulary, merges = symbols
    if form == "two files":
        write_two_files(tmp_path, vocabulary, merges)
    else:
        pairs: list[Any] = [" ".join(pair) if form == "merges as texts" else list(pair) for pair in merges]
        specials = [{"id": vocabulary[token], "content": token, "special": True} for token in (START, END)]
        model: dict[str, Any] = {"type": "BPE", "vocab": {s: n for s, n in vocabulary.items() if s not in (START, END)}}
        model |= {"merges": pairs, "end_of_word_suffix": END_OF_WORD}
        content = {"version": "1.0", "added_tokens": specials, "model": model}
        (tmp_path / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    folder = ClipTokenizer.from_folder(tmp_path)
    assert [folder.encode(text).tolist() for text, _ in GOLDEN] == [padded(ids) for _, ids in GOLDEN]
    assert folder.fingerprint == tokenizer.fingerprint


def test_the_fingerprint_is_that_of_the_vocabulary_and_its_merges(
    tmp_path: Path, tokenizer: ClipTokenizer, symbols: tuple[dict[str, int], list[tuple[str, str]]]
) -> None:
    vocabulary, merges = symbols
    assert tokenizer.fingerprint == "69527c754d9e59b9118179cfe9338836"
    write_two_files(tmp_path / "merges", vocabulary, [merges[1], merges[0], *merges[2:]])
    swapped = vocabulary | {"a": vocabulary["b"], "b": vocabulary["a"]}
    write_two_files(tmp_path / "ids", swapped, merges)
    others = {ClipTokenizer.from_folder(tmp_path / name).fingerprint for name in ("merges", "ids")}
    assert len(others | {tokenizer.fingerprint}) == 3


def without(vocabulary: dict[str, int], *symbols: str) -> dict[str, int]:
    """The vocabulary with symbols taken out and the ids closed up."""
    kept = sorted((n, symbol) for symbol, n in vocabulary.items() if symbol not in symbols)
    return {symbol: number for number, (_, symbol) in enumerate(kept)}


Damage = Callable[[dict[str, int], list[tuple[str, str]]], tuple[Any, list[Any]]]
DAMAGES: dict[str, tuple[Damage, str]] = {
    "no start token": (lambda v, m: (without(v, START), m), "lacks 1 symbols.*startoftext"),
    "no end token": (lambda v, m: (without(v, END), m), "lacks 1 symbols.*endoftext"),
    "no byte symbol": (lambda v, m: (without(v, "Ċ"), m), "lacks 1 symbols.*Ċ"),
    "an id is missing": (lambda v, m: (v | {END: 60_000}, m), "ids 0 to 49407, but 1 of them.*49407"),
    "an id is there twice": (lambda v, m: (v | {END: 5}, m), "ids 0 to 49407"),
    "an id is a text": (lambda v, m: (v | {END: "49407"}, m), "'49407', not a whole number"),
    "vocab is a list": (lambda v, m: (list(v), m), "must be an object"),
    "merges cut short": (lambda v, m: (v, m[:40_000]), "8894 symbols.*none of the 40000 merges"),
    "merge of strangers": (lambda v, m: (v, [("qq", "xx"), *m]), "merge 1 is 'qq' 'xx'.*not in the voc"),
    "merge there twice": (lambda v, m: (v, [*m, m[0]]), "merge 48895.*is there twice"),
    "merge of one symbol": (lambda v, m: (v, [m[0], ("th",), *m[1:]]), "merge 2 is 'th', not two symbols"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_folder_is_refused_by_name(
    name: str, tmp_path: Path, symbols: tuple[dict[str, int], list[tuple[str, str]]]
) -> None:
    damage, reason = DAMAGES[name]
    write_two_files(tmp_path, *damage(*symbols))
    with pytest.raises(ConfigError, match=reason) as caught:
        ClipTokenizer.from_folder(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_files_that_are_missing_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is no folder"):
        ClipTokenizer.from_folder(tmp_path / "gone")
    with pytest.raises(ConfigError, match=r"neither vocab\.json and merges\.txt, nor tokenizer\.json"):
        ClipTokenizer.from_folder(tmp_path)
    (tmp_path / "vocab.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"has vocab\.json but not merges\.txt"):
        ClipTokenizer.from_folder(tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", r"tokenizer\.json is not JSON \(line 1"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "no byte-pair tokenizer"),
        (b'{"model": {"type": "WordPiece", "vocab": {}}}', "no byte-pair tokenizer"),
        (b'{"model": {"vocab": [], "merges": []}}', "must be an object"),
        (b'{"added_tokens": [{"id": 5}], "model": {"vocab": {}, "merges": []}}', "added_tokens"),
        (b'{"model": {"vocab": {}, "merges": [7]}}', "merges"),
        (b'{"model": {"vocab": {}, "merges": ["a b c"]}}', "merge 1 is 'a b c'"),
        (b'{"model": {"vocab": {}, "merges": []}}', "lacks 514 symbols"),
    ],
)
def test_a_tokenizer_json_that_is_none_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(ConfigError, match=reason):
        ClipTokenizer.from_folder(tmp_path)
