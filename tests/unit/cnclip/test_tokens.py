import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.cnclip.tokens import VOCABULARY_FILE, Tokenizer, character_classes, normalise
from scripts.shared.errors import ConfigError

GOLDEN = json.loads(Path("tests/data/golden/cnclip/tokens_golden.json").read_text(encoding="utf-8"))
OFFICIAL = Tokenizer()
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def written(tmp_path: Path, lines: list[str]) -> Path:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def pieces(text: str) -> list[int]:
    return np.trim_zeros(OFFICIAL.encode([text])[0], "b").tolist()


@pytest.mark.parametrize("row", GOLDEN["rows"], ids=lambda row: ascii(row["text"])[:30])
def test_ids_are_upstreams(row: dict[str, object]) -> None:
    text = str(row["text"])
    assert normalise(text) == row["preprocessed"]
    assert pieces(text) == row["ids"]
    assert pieces(normalise(text)) == row["ids_preprocessed"]


def test_official_vocabulary_has_its_21128_entries() -> None:
    assert len(OFFICIAL) == 21_128
    assert OFFICIAL.identity.startswith("45bbac6b341c")


def test_long_text_is_cut_before_its_end_mark() -> None:
    ids = OFFICIAL.encode(["猫" * 60, "猫"], context_length=8)
    assert ids.tolist() == [[101, *[4344] * 6, 102], [101, 4344, 102, 0, 0, 0, 0, 0]]
    assert ids.dtype == np.int64


def test_no_texts_give_no_rows() -> None:
    assert OFFICIAL.encode([]).shape == (0, 52)


def test_single_text_is_refused_rather_than_read_as_a_list_of_characters() -> None:
    with pytest.raises(TypeError, match=r"write \[text\]"):
        OFFICIAL.encode("猫")


def test_context_of_less_than_start_and_end_is_refused() -> None:
    with pytest.raises(ValueError, match="context_length is 1"):
        OFFICIAL.encode(["猫"], context_length=1)


@given(st.text(st.characters(), max_size=80))
def test_any_text_begins_with_the_start_and_ends_with_the_end(text: str) -> None:
    ids = OFFICIAL.encode([text])[0]
    held = np.trim_zeros(ids, "b")
    assert held[0] == 101
    assert held[-1] == 102
    assert ids.max() < len(OFFICIAL)
    assert 0 not in held


def test_vocabulary_with_line_ends_of_windows_gives_the_same_ids(tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_bytes(VOCABULARY_FILE.read_bytes().replace(b"\n", b"\r\n"))
    assert Tokenizer(path).encode(["一只猫"]).tolist() == OFFICIAL.encode(["一只猫"]).tolist()


def test_vocabulary_of_five_tokens_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"vocab.txt: holds the 5 special entries and not one word"):
        Tokenizer(written(tmp_path, SPECIAL))


def test_vocabulary_without_unknown_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no entry \[UNK\]"):
        Tokenizer(written(tmp_path, ["[PAD]", "[CLS]", "[SEP]", "[MASK]", *"猫狗鸟"]))


def test_vocabulary_whose_padding_is_not_0_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[PAD\] stands in line 4"):
        Tokenizer(written(tmp_path, [*"猫狗鸟", *SPECIAL]))


def test_vocabulary_with_an_entry_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="1 entries twice"):
        Tokenizer(written(tmp_path, [*SPECIAL, *"猫猫"]))


def test_vocabulary_that_is_no_text_or_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    with pytest.raises(ConfigError, match="cannot be read"):
        Tokenizer(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        Tokenizer(path)


def test_classes_of_characters_are_what_the_tokenizer_does() -> None:
    classes = character_classes()

    def holds(name: str, character: str) -> bool:
        return any(first <= ord(character) <= last for first, last in classes[name])

    assert all(holds("spaces", character) for character in " \t\n\r\u00a0\u3000")
    assert all(holds("dropped", character) for character in "\0\x1c\u200d\ufeff\ufffd")
    assert all(holds("apart", character) for character in "猫㐀\U00020000豈")
    assert classes["breaks"] == [[0x2028, 0x2029]]
    assert holds("accents", "\u0301")
    assert all(holds("punctuation", character) for character in "!$+<~^`。、“—")
    assert not any(holds(name, character) for name in classes for character in "aé9あ😀€")
    assert all(first <= last for ranges in classes.values() for first, last in ranges)
