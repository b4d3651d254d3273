"""The whole measurement of a form: every point of it, nulls with reasons, and refusals."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.fgclip.data.records import LabelledVideo
from scripts.fgclip.evaluation.metrics_file import COLUMNS, MEASURES, SCORES, read_metrics
from scripts.shared.errors import JobError
from tests.unit.fgclip.evaluation.made import VIDEOS, Place, listed_videos, region, video
from tests.unit.fgclip.scoring.made_scores import made_scores


def place(folder: Path, *videos: LabelledVideo, knows: float = 1.0, **options: Any) -> Place:
    made = Place(folder, listed_videos(*(videos or VIDEOS), **options))
    made.put_all(knows=knows)
    return made


def test_a_model_that_knows_when_has_areas_near_1(tmp_path: Path) -> None:
    metrics = place(tmp_path, knows=50).evaluate(expansion="repeat")
    assert metrics["title"] == "made, toy"
    assert metrics["frames"] == {"n": 160, "positive": 66, "prevalence": 66 / 160}
    assert metrics["videos"] == {"n_listed": 4, "n": 4, "anomalous": 3, "normal": 1}
    for score in SCORES:
        said = metrics["scores"][score]
        assert said["auc"] > 0.95
        assert said["ap"] > 0.95
        assert said["auc_anomalous"] > 0.9
        assert said["video_auc"] == 1
        assert said["false_alarm_rate"] == 0
        assert said["detection_rate"] > 0.9
        assert set(said["classes"]) == {"Fire", "Flood"}
    assert metrics["calibration"]["n_videos"] == 3


def test_a_model_that_knows_nothing_has_areas_near_chance(tmp_path: Path) -> None:
    many = [video(f"Fire{n}", (n, n + 12)) for n in range(1, 28)] + [video(f"Normal{n}") for n in range(30)]
    metrics = place(tmp_path, *many, knows=0).evaluate()
    assert metrics["scores"]["mean"]["auc"] == pytest.approx(0.5, abs=0.06)


def test_how_frames_between_scored_ones_are_filled_is_a_choice_that_is_told(tmp_path: Path) -> None:
    made = place(tmp_path, knows=50)
    linear, repeat = (made.evaluate(expansion=how) for how in ("linear", "repeat"))
    assert (linear["expand"], repeat["expand"]) == ("linear", "repeat")
    assert linear["scores"]["global"]["auc"] != repeat["scores"]["global"]["auc"]


def test_equal_inputs_give_equal_files(tmp_path: Path) -> None:
    made = place(tmp_path)
    names = ("metrics.json", "metrics.csv", "bootstrap.npz")
    files = []
    for _ in range(2):
        made.evaluate()
        files.append([(tmp_path / "eval/toy" / name).read_bytes() for name in names])
    assert files[0] == files[1]
    assert json.loads(files[0][0]) == read_metrics(tmp_path / "eval/toy/metrics.json")


def test_the_table_has_a_line_a_value(tmp_path: Path) -> None:
    metrics = place(tmp_path).evaluate()
    rows = list(csv.DictReader((tmp_path / "eval/toy/metrics.csv").open()))
    assert tuple(rows[0]) == COLUMNS
    by_name = {(row["score"], row["class"], row["measure"]): row for row in rows}
    assert float(by_name["mean", "", "auc"]["value"]) == metrics["scores"]["mean"]["auc"]
    assert by_name["mean", "Fire*", "auc_alone"]["n_videos"] == "2"  # few, so with a star
    assert by_name["video_label_oracle", "", "ap"]["value"]
    assert "test_boxes" in by_name["dense", "", "accuracy"]["why_null"]


def test_the_resamplings_are_kept_for_comparisons(tmp_path: Path) -> None:
    metrics = place(tmp_path).evaluate()
    with np.load(tmp_path / "eval/toy/bootstrap.npz") as drawn:
        assert drawn["videos"].tolist() == [one.key for one in VIDEOS]
        assert set(drawn.files) == {"videos", *(f"{score}.{measure}" for score in SCORES for measure in MEASURES)}
        low, high = np.percentile(drawn["global.auc"], (2.5, 97.5))
    assert metrics["scores"]["global"]["auc_interval"] == pytest.approx([low, high])


@pytest.mark.parametrize("videos", [(VIDEOS[3], video("Normal2")), (VIDEOS[1],)], ids=["normal", "anomalous"])
def test_a_test_set_of_one_kind_gives_nulls_with_their_reason(
    tmp_path: Path, videos: tuple[LabelledVideo, ...]
) -> None:
    metrics = place(tmp_path, *videos).evaluate()
    assert "NaN" not in (tmp_path / "eval/toy/metrics.json").read_text()
    for score in SCORES:
        said = metrics["scores"][score]
        for measure in MEASURES:
            assert said[measure] is None
            assert said[f"{measure}_interval"] is None
            assert said["why_null"][measure]
    assert "test frames show an anomaly: both kinds are needed" in metrics["scores"]["mean"]["why_null"]["auc"]
    assert metrics["controls"]["video_label_oracle"]["auc"] is None
    assert metrics["controls"]["random"]["auc"] is None
    assert metrics["controls"]["why_null"]["auc"]


def test_without_calibration_the_mean_and_the_alarms_are_null_with_their_reason(tmp_path: Path) -> None:
    made = place(tmp_path)
    for path in made.scores().glob("*9.npz"):
        path.unlink()
    metrics = made.evaluate()
    mean = metrics["scores"]["mean"]
    assert mean["auc"] is None
    assert "calibration_videos" in mean["why_null"]["auc"]
    assert mean["classes"]["Fire"]["auc_alone"] is None
    known = metrics["scores"]["global"]
    assert known["auc"] is not None
    assert known["false_alarm_rate"] is None
    assert "calibration_videos" in known["why_null"]["false_alarm_rate"]


def test_a_missing_test_video_stops_unless_it_is_allowed(tmp_path: Path) -> None:
    made = place(tmp_path, missing=["Fire7"])
    (made.scores() / "Flood1.npz").unlink()
    with pytest.raises(JobError, match=r"2 of 5 test videos have no scores \(Fire7, Flood1\).* allow_missing: true"):
        made.evaluate()
    metrics = made.evaluate(allow_missing=True)
    assert metrics["title"] == "made, toy, 3 of 5 videos"
    assert metrics["missing"] == ["Fire7", "Flood1"]
    assert metrics["videos"] == {"n_listed": 5, "n": 3, "anomalous": 2, "normal": 1}


def test_no_test_video_at_all_is_an_error_whatever_is_allowed(tmp_path: Path) -> None:
    made = Place(tmp_path, listed_videos(*VIDEOS))
    with pytest.raises(JobError, match="4 of 4 test videos have no scores"):
        made.evaluate(allow_missing=True)


def test_scores_of_another_version_of_a_video_are_refused(tmp_path: Path) -> None:
    made = place(tmp_path)
    made.put("Fire2", made_scores(n_frames=41))
    with pytest.raises(JobError, match=r"Fire2\.npz: is of 41 frames, but the video has 40"):
        made.evaluate()


def test_without_resampling_there_are_values_and_no_intervals(tmp_path: Path) -> None:
    said = place(tmp_path).evaluate(samples=0)["scores"]["global"]
    assert said["auc"] is not None
    assert said["auc_interval"] is None
    assert said["why_null"]["auc_interval"] == "bootstrap is 0: nothing was resampled"


def test_each_video_is_told_of(tmp_path: Path) -> None:
    metrics = place(tmp_path, knows=50).evaluate()
    assert [one["key"] for one in metrics["per_video"]] == [one.key for one in VIDEOS]
    fire, full, _, normal = metrics["per_video"]
    assert (fire["category"], fire["anomalous"], fire["n_frames"], fire["n_positive"]) == ("Fire", True, 40, 12)
    assert fire["auc"]["global"] > 0.9
    assert fire["false_alarm_rate"]["global"] is None
    assert full["auc"] == normal["auc"] == dict.fromkeys(SCORES)
    assert normal["false_alarm_rate"]["mean"] == 0


def test_pointing_is_measured_where_boxes_are_given(tmp_path: Path) -> None:
    made = place(tmp_path, boxes={"Fire1": region(8, 19)})
    margins = np.zeros((10, 2, 2))
    margins[:, 0, 0] = 1
    made.put("Fire1", made_scores(n_frames=40, margin_map=margins))
    pointing = made.evaluate()["pointing"]
    assert (pointing["accuracy"], pointing["chance"], pointing["n_frames"], pointing["n_videos"]) == (1.0, 0.25, 3, 1)


def test_damaged_metrics_are_named(tmp_path: Path) -> None:
    (path := tmp_path / "metrics.json").write_text("{")
    with pytest.raises(JobError, match=r"metrics\.json: cannot be read .* remove it and run again"):
        read_metrics(path)
    path.write_text('{"format": 0}')
    with pytest.raises(JobError, match="has the form 0, not 1"):
        read_metrics(path)
