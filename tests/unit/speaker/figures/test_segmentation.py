from pathlib import Path

import pytest

from scripts.shared import atomic_files
from scripts.shared.errors import JobError
from scripts.speaker.boundaries.found import Boundary, Found
from scripts.speaker.boundaries.listing import Listing
from scripts.speaker.boundaries.result import result_content
from scripts.speaker.figures.segmentation import read_segmentation

FOUND = Found(
    5,
    (
        Boundary(2, 1.5, float("inf"), 0.25, 3.0, reliable=False),
        Boundary(4, None, 0.5, 0.75, 2.0, theoretical_index=3),
    ),
    "cosine",
    {"segment_size": 2},
)


def test_what_the_search_wrote_is_read_back(tmp_path: Path) -> None:
    listing = Listing([f"{row}.wav" for row in range(5)], [(1, "bad.wav"), (5, "worse.wav")])
    path = tmp_path / "result.json"
    atomic_files.write_json(path, result_content(FOUND, listing, notes=[]))
    read = read_segmentation(path)
    assert read.boundaries == FOUND.boundaries
    assert read.indices == [0, 2, 4, 5]
    assert read.speaker_ids == ("speaker_001", "speaker_002", "speaker_003")
    assert (read.n, read.n_without, read.parameters, read.reference) == (5, 2, {"segment_size": 2}, None)


@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"boundaries": []}'])
def test_a_damaged_result_is_an_error_that_names_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(JobError, match=r"result.json: damaged .*; remove it and run again"):
        read_segmentation(path)
