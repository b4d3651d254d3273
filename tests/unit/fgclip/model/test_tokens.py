"""Texts become ids as the network's own tokenizer has them, the end always last; files give back the same ids."""

import json
from pathlib import Path

import pytest
from transformers.models.clip.tokenization_clip import CLIPTokenizer

from scripts.fgclip.model.tokens import open_tokenizer, openai_tokens, word_tokens
from scripts.shared.clip_tokens import ClipTokenizer
from scripts.shared.errors import ConfigError
from tests.pose_models import GOLDEN
from tests.unit.fgclip.model.networks import WORDS

CASES = json.loads((GOLDEN / "clip_tokens.json").read_text(encoding="utf-8")) if GOLDEN.is_dir() else []


def test_openais_ids_are_openais() -> None:
    tokens = openai_tokens(77)
    found = tokens.encode([case["text"] for case in CASES])
    assert found.shape == (20, 77)
    for case, ids in zip(CASES, found, strict=True):
        assert ids[: len(case["ids"])].tolist() == case["ids"]
        assert not ids[len(case["ids"]) :].any()
        assert tokens.count(case["text"]) >= len(case["ids"])
    assert (tokens.end_id, tokens.n_entries) == (49_407, 49_408)
    assert tokens.encode([]).shape == (0, 77)


@pytest.mark.parametrize("text", ["walk", "walk " * 75, "walk " * 200, "", "😀" * 50, "盗窃" * 40])
def test_the_count_of_ids_knows_what_was_cut(text: str) -> None:
    tokens = openai_tokens(77)
    n = tokens.count(text)
    (ids,) = tokens.encode([text])
    assert (ids != 0).sum() == min(n, 77)
    assert ids[min(n, 77) - 1] == tokens.end_id
    assert ((tokens.encode([text], 500)[0]) != 0).sum() == min(n, 500)


def test_words_have_ids_of_the_alphabet_and_the_end_is_the_highest() -> None:
    tokens = word_tokens(["A red square.", "the Square"], 8)
    ids = tokens.encode(["the red SQUARE", "a green square."])
    assert ids.tolist() == [[7, 6, 4, 5, 8, 0, 0, 0], [7, 3, 1, 5, 2, 8, 0, 0]]
    assert (tokens.end_id, tokens.n_entries) == (8, 9)
    assert tokens.encode(["a a a a a a a a a a"]).tolist() == [[7, 3, 3, 3, 3, 3, 3, 8]]
    assert tokens.count("a a a a a a a a a a") == 12
    assert tokens.encode(["\ud83d a"]).shape == (1, 8)


def test_the_words_order_in_the_texts_changes_no_id() -> None:
    first, second = word_tokens(WORDS, 32), word_tokens(reversed(WORDS), 32)
    assert first.encode(WORDS).tolist() == second.encode(WORDS).tolist()


def test_written_files_give_the_same_ids_here_and_to_others(tmp_path: Path) -> None:
    texts = [case["text"] for case in CASES]
    tokens = openai_tokens(77)
    tokens.write(tmp_path)
    assert open_tokenizer(tmp_path, 77).encode(texts).tolist() == tokens.encode(texts).tolist()
    assert ClipTokenizer.from_folder(tmp_path).fingerprint == ClipTokenizer.embedded().fingerprint
    theirs = CLIPTokenizer.from_pretrained(tmp_path)
    plain = "a man in a black coat pushes the door; it's 3 o'clock"
    assert theirs(plain).input_ids == tokens.encode([plain])[0][: tokens.count(plain)].tolist()


def test_written_words_give_the_same_ids_and_bytes(tmp_path: Path) -> None:
    tokens = word_tokens(WORDS, 16)
    tokens.write(tmp_path)
    again = open_tokenizer(tmp_path, 16)
    assert again.encode([*WORDS, "unknown"]).tolist() == tokens.encode([*WORDS, "unknown"]).tolist()
    (tmp_path / "second").mkdir()
    again.write(tmp_path / "second")
    assert (tmp_path / "tokenizer.json").read_bytes() == (tmp_path / "second" / "tokenizer.json").read_bytes()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", r"tokenizer.json: is no tokenizer"),
        ('{"model": {"type": "WordLevel"}}', r"tokenizer.json: is no tokenizer"),
        ('{"version": "1.0"}', r"tokenizer.json: is no tokenizer"),
    ],
)
def test_what_is_no_tokenizer_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(ConfigError, match=words):
        open_tokenizer(tmp_path, 16)


def test_a_tokenizer_without_start_or_end_is_refused(tmp_path: Path) -> None:
    word_tokens(WORDS, 16).write(tmp_path)
    path = tmp_path / "tokenizer.json"
    path.write_text(path.read_text().replace("<|endoftext|>", "<|other|>"))
    with pytest.raises(ConfigError, match=r"has no <\|endoftext\|> in its vocabulary, so it is not the tokenizer"):
        open_tokenizer(tmp_path, 16)


def test_a_folder_without_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has neither vocab.json and merges.txt, nor tokenizer.json"):
        open_tokenizer(tmp_path, 16)
