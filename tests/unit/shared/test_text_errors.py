from pathlib import Path

import pytest

from scripts.shared.errors import ConfigError
from scripts.shared.text_errors import text_errors


def read(path: Path) -> str:
    with text_errors(path, ConfigError, "is the option right?"):
        return path.read_text(encoding="utf-8")


def test_a_file_that_is_not_there_is_named_with_the_question(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.txt: No such file or directory; is the option right\?"):
        read(tmp_path / "absent.txt")


def test_a_file_in_another_encoding_is_named_with_the_place(tmp_path: Path) -> None:
    path = tmp_path / "latin.txt"
    path.write_bytes(b"caf\xe9")
    with pytest.raises(ConfigError, match=r"latin\.txt: not UTF-8 \(byte 3\); save it as UTF-8"):
        read(path)


def test_a_sound_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("é", encoding="utf-8")
    assert read(tmp_path / "a.txt") == "é"
