"""Files of scores: read as they were written, refused where damaged."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from scripts.fgclip.scoring.score_files import read_scores, scores_npz
from scripts.shared.errors import JobError
from tests.unit.fgclip.scoring.made_scores import made_scores


def test_scores_are_read_as_they_were_written(tmp_path: Path) -> None:
    scores = made_scores(n_frames=40)
    (path := tmp_path / "a.npz").write_bytes(scores_npz(scores))
    read = read_scores(path)
    for field in fields(scores):
        written, found = getattr(scores, field.name), getattr(read, field.name)
        assert np.array_equal(written, found), field.name
        assert getattr(written, "dtype", None) == getattr(found, "dtype", None)


def test_equal_scores_are_equal_bytes() -> None:
    assert scores_npz(made_scores(n_frames=40)) == scores_npz(made_scores(n_frames=40))


def test_a_file_cut_short_is_named_with_its_mend(tmp_path: Path) -> None:
    (path := tmp_path / "a.npz").write_bytes(scores_npz(made_scores(n_frames=40))[:-100])
    with pytest.raises(JobError, match=r"a\.npz: no scores of a video .*; remove it and run again"):
        read_scores(path)


def test_an_array_file_without_a_part_is_refused(tmp_path: Path) -> None:
    np.savez(path := tmp_path / "a.npz", frames=np.arange(3))
    with pytest.raises(JobError, match="no scores of a video"):
        read_scores(path)
