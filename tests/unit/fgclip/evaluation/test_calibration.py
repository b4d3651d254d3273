"""Scale and threshold come from training videos, and where there are none the reason is told."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scripts.fgclip.data.records import Records
from scripts.fgclip.evaluation.calibration import best_threshold, calibrate, frame_scores
from scripts.fgclip.scoring.score_files import scores_npz
from tests.unit.fgclip.evaluation.made import N_FRAMES, RECORDS, region
from tests.unit.fgclip.scoring.made_scores import made_scores


def put(folder: Path, key: str, margins: list[float]) -> None:
    made = made_scores(n_frames=4 * len(margins), margins=np.array(margins))
    (folder / f"{key}.npz").write_bytes(scores_npz(replace(made, dense_margins=10 * made.global_margins + 3)))


def test_each_video_counts_the_same_for_the_scale(tmp_path: Path) -> None:
    put(tmp_path, "Fire9", [0.0] * 5 + [2.0] * 5)  # mean 1, of squares 2
    put(tmp_path, "Normal9", [4.0] * 3)  # mean 4, of squares 16, and shorter
    found = calibrate(tmp_path, RECORDS)
    assert found.n_videos == 2
    assert found.scales["global"].mean == pytest.approx(2.5)
    assert found.scales["global"].std == pytest.approx(np.sqrt(9 - 2.5**2))
    assert found.scales["dense"].mean == pytest.approx(28)


def test_the_mean_is_that_of_both_in_units_of_their_deviation(tmp_path: Path) -> None:
    put(tmp_path, "Fire9", [0.0] * 5 + [2.0] * 5)
    scales = calibrate(tmp_path, RECORDS).scales
    made = made_scores(n_frames=N_FRAMES, margins=np.arange(10.0))
    scores = frame_scores(replace(made, dense_margins=10 * made.global_margins + 3), scales)
    assert list(scores) == ["global", "dense", "mean"]
    assert scores["mean"] == pytest.approx(np.arange(10.0) - 1)  # deviation 1, and dense is the same in its units


def test_the_threshold_parts_annotated_frames_from_others(tmp_path: Path) -> None:
    # Fire9 is annotated from frame 8 to 19: scored frames 8, 12 and 16.
    put(tmp_path, "Fire9", [0, 0, 5, 6, 7, 1, 0, 0, 0, 0])
    put(tmp_path, "Normal9", [0, 0, 0, 0, 0, 0, 0, 0, 2, 0])
    found = calibrate(tmp_path, RECORDS)
    assert found.thresholds["global"] == 3.5
    assert found.thresholds["dense"] == 38
    assert set(found.thresholds) == {"global", "dense", "mean"}
    assert found.why_null == {}


def test_an_anomaly_holds_up_to_its_last_annotated_frame(tmp_path: Path) -> None:
    put(tmp_path, "Fire9", [0, 0, 0, 0, 7, 2, 0, 0, 0, 0])  # 7 at frame 16
    [item] = [item for item in RECORDS.items if item.video == "Fire9"]
    ends = Records(RECORDS.videos, (replace(item, regions=(region(8, 16),)),))
    assert calibrate(tmp_path, ends).thresholds["global"] == 4.5


def test_without_scored_training_videos_there_is_neither_and_it_is_said_why(tmp_path: Path) -> None:
    found = calibrate(tmp_path, RECORDS)
    assert (found.n_videos, found.scales, found.thresholds) == (0, {}, {})
    assert "calibration_videos" in found.why_null["scales"]
    assert set(frame_scores(made_scores(n_frames=8), found.scales)) == {"global", "dense"}
    assert found.as_json()["scores"] == {}


def test_training_videos_of_one_kind_give_a_scale_but_no_threshold(tmp_path: Path) -> None:
    put(tmp_path, "Normal9", [1.0] * 10)
    found = calibrate(tmp_path, RECORDS)
    assert found.scales["global"].std == 1  # a constant divides by nothing
    assert found.thresholds == {}
    assert "none of the scored frames" in found.why_null["thresholds"]
    assert found.as_json()["scores"]["mean"] == {"threshold": None}


def test_scores_of_test_videos_do_not_count(tmp_path: Path) -> None:
    put(tmp_path, "Normal9", [1.0] * 10)
    alone = calibrate(tmp_path, RECORDS)
    put(tmp_path, "Fire1", [9.0] * 10)
    assert calibrate(tmp_path, RECORDS) == alone


def test_a_video_without_items_is_as_if_it_had_nothing_annotated(tmp_path: Path) -> None:
    put(tmp_path, "Fire9", [0, 0, 5, 6, 7, 1, 0, 0, 0, 0])
    assert calibrate(tmp_path, Records(RECORDS.videos, ())).thresholds == {}


@pytest.mark.parametrize(
    ("scores", "annotated", "threshold"),
    [([0, 1, 2, 3], [0, 0, 1, 1], 1.5), ([0, 1, 1, 2], [0, 0, 1, 1], 0.5), ([3, 2, 1, 0], [0, 0, 1, 1], 3.5)],
)
def test_the_best_threshold_has_the_largest_difference_of_rates(
    scores: list[float], annotated: list[int], threshold: float
) -> None:
    found = best_threshold(np.array(scores, np.float32), np.array(annotated, bool))
    assert found == threshold or _gain(scores, annotated, found) == _gain(scores, annotated, threshold)


def _gain(scores: list[float], annotated: list[int], threshold: float) -> float:
    above, kind = np.array(scores) > threshold, np.array(annotated, bool)
    return float(above[kind].mean() - above[~kind].mean())
