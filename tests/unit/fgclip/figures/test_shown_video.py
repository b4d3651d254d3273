from pathlib import Path

import numpy as np

from scripts.fgclip.evaluation.metrics_file import read_metrics
from scripts.fgclip.figures.shown_video import judged_score
from tests.unit.fgclip.figures.made import BAD, GOOD, NORMAL, Made, make_dataset, make_scores, shown


def test_scores_are_in_deviations_of_the_training_videos_and_the_judged_one_is_last(made: Made) -> None:
    video = shown(made, GOOD)
    assert list(video.scores) == ["global", "dense", "mean"]
    both = (video.scores["global"] + video.scores["dense"]) / 2
    assert np.allclose(video.judged, both, atol=1e-5)
    assert video.units == "standard deviations"
    assert video.threshold is not None
    assert video.judged.max() > video.threshold > video.judged.min()


def test_without_calibration_the_margin_of_the_frame_is_judged(tmp_path: Path) -> None:
    made = make_dataset(tmp_path, calibrated=False)
    assert judged_score(read_metrics(made.metrics)) == "global"
    video = shown(made, GOOD)
    assert list(video.scores) == ["dense", "global"]
    assert video.judged.tolist() == make_scores(GOOD).global_margins.tolist()
    assert (video.units, video.threshold) == ("margin", None)


def test_the_title_says_how_well_the_videos_own_frames_were_told_apart(made: Made) -> None:
    assert shown(made, GOOD).title == "Abuse001_x264 (Abuse): asked for, AUC of its frames 0.99"
    assert "AUC of its frames 0.0" in shown(made, BAD).title
    assert shown(made, NORMAL).title == "Normal_Videos_003_x264 (Normal): asked for"
