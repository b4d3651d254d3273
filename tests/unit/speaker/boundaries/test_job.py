"""scripts/speaker/boundaries/job.py and listing.py: from a dataset's files to its result."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from scripts.shared.errors import JobError
from scripts.speaker.array_files import Recording, write_tables
from scripts.speaker.boundaries.job import find_dataset_boundaries
from scripts.speaker.boundaries.listing import read_listing
from scripts.speaker.boundaries.options import BoundaryOptions
from tests.unit.speaker.boundaries.test_methods import voices


class Dataset:
    """The files of a dataset's index."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths = {
            "embeddings": root / "embeddings.npy",
            "files": root / "files.csv",
            "result": root / "result.json",
        }

    def index(self, rows: NDArray[np.float32], failed: Sequence[int] = ()) -> None:
        """Files f_0.wav and so on; those of these numbers have no embedding."""
        np.save(self.paths["embeddings"], rows)
        numbers = iter(range(len(rows)))
        recordings = [
            Recording(f"f_{number}.wav", None if number in failed else next(numbers))
            for number in range(len(rows) + len(failed))
        ]
        write_tables(recordings, table=self.root / "embeddings.csv", files=self.paths["files"])

    def search(self, **options: Any) -> dict[str, Any]:
        content = find_dataset_boundaries(
            **self.paths, failures=self.root / "failures.csv", options=BoundaryOptions(**options)
        )
        assert json.loads(self.paths["result"].read_text()) == content
        return content


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset(tmp_path)


def test_the_result_names_the_files_of_each_speaker(dataset: Dataset, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    dataset.index(voices([30, 50, 20]), failed=[10, 31])
    content = dataset.search()
    assert content["boundaries"] == [0, 30, 80, 100]
    first, second, third = content["speakers"]
    assert first["audio_files"][-1] == "f_30.wav"
    assert first["no_embedding"] == ["f_10.wav"]
    assert second["audio_files"][0] == "f_32.wav"
    assert third["file_count"] == 20
    assert content["undecided"] == [{"relative_path": "f_31.wav", "between": ["speaker_001", "speaker_002"]}]
    assert content["method"] == "changepoint"
    assert "changepoint" not in content
    assert "changepoint: 3 speakers in 100 files" in caplog.text
    assert "speaker_001 | speaker_002 at f_32.wav" in caplog.text


@pytest.mark.parametrize("method", ["cosine", "gmm"])
def test_a_walking_method_says_where_changepoint_disagrees(dataset: Dataset, method: str) -> None:
    dataset.index(voices([40, 40, 62, 40, 40]))
    content = dataset.search(method=method, segment_size=40, boundary_window=5)
    assert content["changepoint"]["boundaries"] == [0, 40, 80, 142, 182, 222]
    assert content["changepoint"]["only_changepoint"] == [142, 182]
    assert content["changepoint"]["agreed"] == 2
    assert any("changepoint disagrees" in note and "2 only by changepoint" in note for note in content["notes"])
    assert any("not reliable" in note for note in content["notes"])


@pytest.mark.parametrize("method", ["cosine", "gmm"])
def test_a_walk_that_agrees_says_nothing(dataset: Dataset, method: str) -> None:
    dataset.index(voices([40, 40, 40]))
    content = dataset.search(method=method, segment_size=40)
    assert content["changepoint"]["only_here"] == content["changepoint"]["only_changepoint"] == []
    assert content["notes"] == []


@pytest.mark.parametrize("segment_size", [1000, 30, 29])  # of 30 no file is left behind the window of 10
def test_a_walk_through_a_short_collection_says_that_it_is_left_whole(dataset: Dataset, segment_size: int) -> None:
    dataset.index(voices([20, 20]))
    content = dataset.search(method="cosine", segment_size=segment_size)
    is_whole = content["boundaries"] == [0, 40]
    assert is_whole == (segment_size >= 30)
    assert any("left whole: 40 files are no more than" in note for note in content["notes"]) == is_whole
    assert not is_whole or content["changepoint"]["only_changepoint"] == [20]


def test_options_that_a_method_does_not_heed_are_named(dataset: Dataset) -> None:
    dataset.index(voices([20, 20]))
    notes = dataset.search(method="cosine", segment_size=20, boundary_window=5, n_speakers=2)["notes"]
    assert notes == ["n_speakers and min_segment count for changepoint alone, not for cosine"]


def test_fallbacks_to_cosine_are_counted(dataset: Dataset) -> None:
    dataset.index(voices([12, 12, 12]))
    notes = dataset.search(method="gmm", segment_size=12, boundary_window=8)["notes"]
    assert any("2 boundaries by cosine" in note for note in notes)


def test_the_options_reach_the_search(dataset: Dataset) -> None:
    dataset.index(voices([40, 40, 40]))
    assert dataset.search(n_speakers=2)["detected_speakers"] == 2
    assert dataset.search(distance_ratio=1e6)["detected_speakers"] == 1
    parameters = dataset.search(method="gmm", segment_size=40, gmm_components=3, gmm_window=4, seed=5)["parameters"]
    assert (parameters["gmm_components"], parameters["gmm_window"], parameters["seed"]) == (3, 4, 5)
    assert dataset.search(method="cosine", segment_size=40, debug=True)["boundary_details"][0]["scores"]


@pytest.mark.parametrize("method", ["changepoint", "cosine", "gmm"])
def test_one_file_is_one_speaker(dataset: Dataset, method: str) -> None:
    dataset.index(voices([1]))
    content = dataset.search(method=method)
    assert (content["boundaries"], content["detected_speakers"]) == ([0, 1], 1)
    assert content["speakers"][0]["audio_files"] == ["f_0.wav"]


def test_a_dataset_whose_files_all_failed_says_why(dataset: Dataset) -> None:
    dataset.index(np.zeros((0, 0), np.float32), failed=range(3))
    (dataset.root / "failures.csv").write_text(
        "key,source,error,message\nf_0.wav,f_0.wav,silent,x\nf_1.wav,f_1.wav,too_short,x\nf_2.wav,f_2.wav,silent,x\n"
    )
    with pytest.raises(JobError, match=r"failures\.csv: none of 3 recordings has an embedding: 2 silent, 1 too_short"):
        dataset.search()
    assert not dataset.paths["result"].exists()


def test_a_dataset_without_files_says_so(dataset: Dataset) -> None:
    dataset.index(np.zeros((0, 0), np.float32))
    with pytest.raises(JobError, match="no recording in it"):
        dataset.search()


def test_an_array_of_another_length_than_the_list_is_refused(dataset: Dataset) -> None:
    dataset.index(voices([5]))
    np.save(dataset.paths["embeddings"], voices([6]))
    with pytest.raises(JobError, match=r"6 rows, but .* names 5"):
        dataset.search()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("path,row\na.wav,0\n", "no list of recordings"),
        ("relative_path,row\na.wav,0\nb.wav,2\n", "row 2 follows 0"),
        ("relative_path,row\na.wav,x\n", "row x"),
    ],
)
def test_a_damaged_list_of_files_is_named(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "files.csv").write_text(content)
    with pytest.raises(JobError, match=f"files.csv: .*{words}.*remove it and run again"):
        read_listing(tmp_path / "files.csv")
