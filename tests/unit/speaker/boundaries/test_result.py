"""scripts/speaker/boundaries/result.py: what the result file says."""

import json
import math

import pytest

from scripts.speaker.boundaries.found import Boundary, Found
from scripts.speaker.boundaries.listing import Listing
from scripts.speaker.boundaries.result import compare, result_content, speaker_names

PATHS = [f"{number}.wav" for number in range(6)]


def boundary(index: int, **about: object) -> Boundary:
    return Boundary(**{"index": index, "score": 1.5, "margin": 2.0, "confidence": 0.9, "distance_ratio": 4.0, **about})  # type: ignore[arg-type]


def found(*indices: int, n: int = 6, **about: object) -> Found:
    return Found(n, tuple(boundary(index, **about) for index in indices), "cosine", {"segment_size": 2})


def test_each_speaker_has_its_range_and_files() -> None:
    content = result_content(found(2, 5), Listing(PATHS, []), notes=["look"])
    assert content["boundaries"] == [0, 2, 5, 6]
    assert content["speakers"][1] == {
        "speaker_id": "speaker_002",
        "start_index": 2,
        "end_index": 5,
        "file_count": 3,
        "audio_files": ["2.wav", "3.wav", "4.wav"],
        "no_embedding": [],
    }
    assert sum(speaker["file_count"] for speaker in content["speakers"]) == content["total_audio_files"] == 6
    assert (content["detected_speakers"], content["method"], content["notes"]) == (3, "cosine", ["look"])
    assert content["parameters"] == {"segment_size": 2}


@pytest.mark.parametrize(
    ("place", "speaker"),
    [(0, "speaker_001"), (1, "speaker_001"), (3, "speaker_002"), (4, "speaker_002"), (6, "speaker_003")],
)
def test_a_file_without_embedding_is_listed_with_the_speaker_around_it(place: int, speaker: str) -> None:
    content = result_content(found(2, 5), Listing(PATHS, [(place, "bad.wav")]), notes=[])
    holding = [entry["speaker_id"] for entry in content["speakers"] if "bad.wav" in entry["no_embedding"]]
    assert (holding, content["undecided"], content["files_without_embedding"]) == ([speaker], [], 1)


def test_files_without_embedding_between_two_speakers_are_undecided() -> None:
    content = result_content(found(2, 5), Listing(PATHS, [(5, "x.wav"), (5, "y.wav")]), notes=[])
    between = ["speaker_002", "speaker_003"]
    assert content["undecided"] == [{"relative_path": name, "between": between} for name in ("x.wav", "y.wav")]
    assert not any(entry["no_embedding"] for entry in content["speakers"])


def test_a_boundary_tells_all_that_is_known_of_it() -> None:
    walked = found(2, theoretical_index=3, reliable=False, scores=((1, 0.25), (2, 1.5)))
    (details,) = result_content(walked, Listing(PATHS, []), notes=[])["boundary_details"]
    assert details == {
        "index": 2,
        "score": 1.5,
        "margin": 2.0,
        "confidence": 0.9,
        "distance_ratio": 4.0,
        "reliable": False,
        "theoretical_index": 3,
        "fallback_to_cosine": False,
        "scores": [[1, 0.25], [2, 1.5]],
    }
    (details,) = result_content(found(2), Listing(PATHS, []), notes=[])["boundary_details"]
    assert "theoretical_index" not in details
    assert "scores" not in details


def test_what_json_has_no_number_for_is_null() -> None:
    odd = found(2, margin=math.inf, score=None, distance_ratio=math.nan)
    text = json.dumps(result_content(odd, Listing(PATHS, []), notes=[]), allow_nan=False)
    (details,) = json.loads(text)["boundary_details"]
    assert details["margin"] is details["score"] is details["distance_ratio"] is None


def test_names_sort_as_the_speakers_come() -> None:
    assert speaker_names(2) == ["speaker_001", "speaker_002"]
    many = speaker_names(1000)
    assert (many[0], many[-1]) == ("speaker_0001", "speaker_1000")
    assert sorted(many) == many


def test_boundaries_a_file_apart_agree() -> None:
    content = compare(found(10, 20, 30, n=50), found(11, 22, 40, n=50))
    assert content == {
        "boundaries": [0, 11, 22, 40, 50],
        "agreed": 1,
        "only_here": [20, 30],
        "only_changepoint": [22, 40],
    }
