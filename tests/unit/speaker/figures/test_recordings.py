from pathlib import Path

import pytest

from scripts.shared.errors import JobError
from scripts.speaker.figures.recordings import read_durations, reference_boundaries


def written(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_durations_are_read_and_unknown_ones_are_zero(tmp_path: Path) -> None:
    table = written(tmp_path, 'row,relative_path,duration\n0,a.wav,1.5\n1,"b,\n.wav",\n')
    assert read_durations(table).tolist() == [1.5, 0.0]


def test_a_table_without_durations_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"table.csv: no table with a duration .*; remove it and run again"):
        read_durations(written(tmp_path, "row\n0\n"))
    with pytest.raises(JobError, match=r"table.csv: no table with a duration"):
        read_durations(written(tmp_path, "row,relative_path,duration\n0,a.wav\n0,a.wav,long\n"))


def test_the_boundaries_of_the_reference_come_from_the_evaluation(tmp_path: Path) -> None:
    evaluation = tmp_path / "evaluation.json"
    evaluation.write_text('{"reference_boundaries": [0, 2, 4, 5]}')
    assert reference_boundaries(evaluation) == (2, 4)
    evaluation.write_text("{}")
    with pytest.raises(JobError, match=r"evaluation\.json: no evaluation"):
        reference_boundaries(evaluation)
