"""Labels, controls, and values by class; the real annotation of UCF-Crime gives the known figures."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from scripts.fgclip.data.annotation import read_annotation
from scripts.fgclip.data.records import LabelledVideo
from scripts.fgclip.evaluation.measures import controls, frame_labels, label_videos, measures, pointing
from scripts.fgclip.evaluation.pointing import Pointing
from tests.unit.fgclip.evaluation.made import VIDEOS, video

ANNOTATION = Path(__file__).parents[5] / "shared/data/annotations/Temporal_Anomaly_Annotation.txt"
# Of PEL4VAD's ground truth (290 arrays, cut to multiples of 16): frames of all videos, of anomalous ones, and those of
# the videos that end before their annotated interval does.
N_FRAMES, N_IN_ANOMALOUS, N_POSITIVE = 1_109_680, 461_856, 84_128
SHORT = {
    **{"Arson011_x264": 1264, "Arson016_x264": 1792, "Assault006_x264": 8080, "Explosion033_x264": 3152},
    **{"Fighting003_x264": 3088, "Shooting015_x264": 1712, "Shooting046_x264": 5072},
}


def test_intervals_are_half_open_and_count_from_0() -> None:
    labels = frame_labels(video("Flood1", (0, 2), (5, 6), n_frames=7))
    assert labels.tolist() == [True, True, False, False, False, True, False]


@pytest.fixture(scope="module")
def ucf_crime() -> tuple[LabelledVideo, ...]:
    """The real test set, with frame counts that are right for the seven short videos and in sum."""
    if not ANNOTATION.exists():
        pytest.skip("the annotation of UCF-Crime is not here")
    listed = read_annotation(ANNOTATION)
    ends = [max((end for _, end in one.intervals), default=1) for one in listed]
    n_frames = [SHORT.get(one.name, end) for one, end in zip(listed, ends, strict=True)]
    videos = []
    for wanted, anomalous in ((N_IN_ANOMALOUS, True), (N_FRAMES - N_IN_ANOMALOUS, False)):
        kind = [number for number, one in enumerate(listed) if bool(one.intervals) is anomalous]
        last = next(number for number in reversed(kind) if listed[number].name not in SHORT)
        n_frames[last] += wanted - sum(n_frames[number] for number in kind)
    for one, n in zip(listed, n_frames, strict=True):
        clipped = tuple((start, min(end, n)) for start, end in one.intervals)
        videos.append(LabelledVideo(one.name, Path(), one.category, n, 30.0, clipped))
    return tuple(videos)


def test_the_real_annotation_has_the_known_prevalence(ucf_crime: tuple[LabelledVideo, ...]) -> None:
    test_videos = label_videos(ucf_crime, samples=0, seed=42)
    assert (len(ucf_crime), int(test_videos.anomalous.sum())) == (290, 140)
    assert test_videos.n_frames == N_FRAMES
    assert test_videos.n_positive == N_POSITIVE
    assert round(test_videos.n_positive / test_videos.n_frames, 4) == 0.0758
    n_videos = {name: int(of.sum()) for name, of in test_videos.classes.items()}
    assert n_videos == {
        **{"RoadAccidents": 23, "Shooting": 23, "Explosion": 21, "Shoplifting": 21, "Burglary": 13, "Arson": 9},
        **{"Arrest": 5, "Fighting": 5, "Robbery": 5, "Stealing": 5, "Vandalism": 5, "Assault": 3, "Abuse": 2},
    }


def test_knowing_each_videos_label_alone_gives_the_known_area(ucf_crime: tuple[LabelledVideo, ...]) -> None:
    found = controls(label_videos(ucf_crime, samples=0, seed=42))
    oracle = found["video_label_oracle"]
    assert round(oracle["auc"], 4) == 0.8158
    assert round(oracle["ap"], 4) == 0.1822
    assert oracle["auc_anomalous"] == 0.5  # it knows nothing of when
    assert found["random"] == {"auc": 0.5, "ap": pytest.approx(0.0758, abs=1e-4), "auc_anomalous": 0.5}


def test_values_are_those_of_scikit_learn_on_the_frames() -> None:
    rng = np.random.default_rng(0)
    scores = [rng.normal(size=one.n_frames).astype(np.float32) for one in VIDEOS]
    labels = [frame_labels(one) for one in VIDEOS]
    said, drawn = measures(label_videos(VIDEOS, samples=30, seed=42), scores, 0.0)

    def auc(*numbers: int) -> float:
        return float(roc_auc_score(*(np.concatenate([of[n] for n in numbers]) for of in (labels, scores))))

    assert said["auc"] == pytest.approx(auc(0, 1, 2, 3))
    assert said["auc_anomalous"] == pytest.approx(auc(0, 1, 2))
    assert said["classes"]["Fire"]["auc_alone"] == pytest.approx(auc(0, 1))
    assert said["classes"]["Flood"]["auc_with_normals"] == pytest.approx(auc(2, 3))
    assert said["video_auc"] == pytest.approx(roc_auc_score([1, 1, 1, 0], [one.max() for one in scores]))
    assert said["false_alarm_rate"] == pytest.approx((scores[3] > 0).mean())
    positive = np.concatenate([one[label] for one, label in zip(scores, labels, strict=True)])
    assert said["detection_rate"] == pytest.approx((positive > 0).mean())
    low, high = said["auc_interval"]
    assert low <= said["auc"] <= high
    assert drawn["auc"].shape == (31,)


def test_classes_of_few_videos_are_marked() -> None:
    many = tuple(video(f"Fire{n}", (0, 4)) for n in range(5))
    said, _ = measures(label_videos((*many, VIDEOS[2]), samples=0, seed=1), [np.zeros(40, np.float32)] * 6, None)
    assert {name: one["few"] for name, one in said["classes"].items()} == {"Fire": False, "Flood": True}


def test_a_video_that_is_anomalous_throughout_has_no_area_alone() -> None:
    videos = (VIDEOS[1], VIDEOS[3])
    said, _ = measures(label_videos(videos, samples=0, seed=1), [np.zeros(40, np.float32)] * 2, None)
    fire = said["classes"]["Fire"]
    assert fire["auc_alone"] is None
    assert fire["why_null"]["auc_alone"] == "every frame of its videos shows the anomaly"
    assert fire["auc_with_normals"] == 0.5
    assert said["auc_anomalous"] is None
    assert said["why_null"]["auc_anomalous"] == "every frame of the anomalous test videos shows an anomaly"


def test_pointing_is_the_share_of_frames_over_all_videos() -> None:
    test_videos = label_videos(VIDEOS, samples=10, seed=1)
    said = pointing(test_videos, {"Fire1": Pointing(8, 6, 2.0), "Flood1": Pointing(2, 0, 0.5)}, has_boxes=True)
    assert (said["accuracy"], said["chance"], said["n_frames"], said["n_videos"]) == (0.6, 0.25, 10, 2)
    assert said["accuracy_interval"] == [0.0, 0.75]


@pytest.mark.parametrize(("has_boxes", "why"), [(True, "no scored frame shows"), (False, "no boxes of test videos")])
def test_pointing_without_boxes_is_null_with_its_reason(has_boxes: bool, why: str) -> None:
    said = pointing(label_videos(VIDEOS, samples=0, seed=1), {}, has_boxes=has_boxes)
    assert said["accuracy"] is None
    assert said["why_null"]["accuracy"].startswith(why)
