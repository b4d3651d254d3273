import csv
from pathlib import Path

import pytest

from scripts.shared.csv_errors import csv_errors
from scripts.shared.errors import ConfigError, JobError


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "a.csv: No such file or directory; is it there\\?"),
        (b"a\xff", r"a.csv: not UTF-8 \(byte 1\); save it as UTF-8"),
        (b'"a\n' + b"x" * 200_000, r"a.csv: no CSV: field larger than field limit"),
    ],
)
def test_what_is_wrong_with_a_csv_is_said_with_its_name(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "a.csv"
    if content is not None:
        path.write_bytes(content)
    with (
        pytest.raises(JobError, match=words),
        csv_errors(path, JobError, "is it there?"),
        path.open(encoding="utf-8", newline="") as file,
    ):
        list(csv.reader(file))


def test_an_error_that_has_words_already_keeps_them() -> None:
    with pytest.raises(ConfigError, match="mine"), csv_errors(Path("a.csv"), JobError, "?"):
        raise ConfigError("mine")
