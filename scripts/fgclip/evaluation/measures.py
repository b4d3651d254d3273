"""The measures of scored test videos: their values with intervals, or the reasons why there are none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.fgclip.data.records import LabelledVideo
from scripts.fgclip.evaluation.metrics_file import CLASS_MEASURES, FEW_VIDEOS, MEASURES, RATES
from scripts.fgclip.evaluation.pointing import Pointing
from scripts.fgclip.evaluation.ranking import Ranking, Weights, draw_videos, interval

Values = dict[str, Any]
Scores = Sequence[NDArray[np.float32]]


@dataclass(frozen=True)
class TestVideos:
    """The scored test videos, in the order of the test set.

    Attributes:
        videos: V of them.
        labels: (n_frames,) bool of each.
        anomalous: (V,) bool, whether a video has a positive frame.
        weights: (1 + B, V), see `draw_videos`.
    """

    videos: tuple[LabelledVideo, ...]
    labels: list[NDArray[np.bool_]]
    anomalous: NDArray[np.bool_]
    weights: Weights
    __test__ = False  # no collection of tests, whatever pytest makes of the name

    @property
    def n_frames(self) -> int:
        """Frames of all videos."""
        return sum(map(len, self.labels))

    @property
    def n_positive(self) -> int:
        """Frames of all videos that show an anomaly."""
        return sum(int(label.sum()) for label in self.labels)

    @property
    def classes(self) -> dict[str, NDArray[np.bool_]]:
        """The anomalous videos of each class, (V,) bool, by name."""
        category = np.array([video.category for video in self.videos], np.str_)
        return {str(name): self.anomalous & (category == name) for name in np.unique(category[self.anomalous])}

    @property
    def why_null(self) -> dict[str, str]:
        """By measure, why it has no value where it has none."""
        n_anomalous = int(self.anomalous.sum())
        frames = f"{self.n_positive} of {self.n_frames} test frames show an anomaly: both kinds are needed"
        videos = f"{n_anomalous} of {len(self.videos)} test videos show an anomaly: both kinds are needed"
        within = "every frame of the anomalous test videos shows an anomaly" if self.n_positive else frames
        return {"auc": frames, "ap": frames, "auc_anomalous": within, "video_auc": videos}


def label_videos(videos: tuple[LabelledVideo, ...], *, samples: int, seed: int) -> TestVideos:
    """Label the frames of test videos, and draw how often each video counts in each of the resamplings."""
    labels = [frame_labels(video) for video in videos]
    anomalous = np.array([label.any() for label in labels], np.bool_)
    return TestVideos(videos, labels, anomalous, draw_videos(len(videos), samples=samples, seed=seed))


def frame_labels(video: LabelledVideo) -> NDArray[np.bool_]:
    """(n_frames,) bool, whether a frame shows the anomaly: intervals are half open, from 0.

    So read, the public annotation of UCF-Crime gives PEL4VAD's ground truth on 290 of 290 videos.
    """
    labels = np.zeros(video.n_frames, np.bool_)
    for start, end in video.intervals:
        labels[start:end] = True
    return labels


def measures(
    videos: TestVideos, frames: Scores, threshold: float | None
) -> tuple[Values, dict[str, NDArray[np.float64]]]:
    """Measure one score.

    Args:
        videos: the test videos.
        frames: (n_frames,) float32 of each, the scores.
        threshold: above which a frame is an alarm; None where there is none, and the reason is the caller's.

    Returns:
        The score's part of `metrics.json`; and by measure its values in all of `videos.weights`, (1 + B,).
    """
    weights, anomalous = videos.weights, videos.anomalous
    ranking = Ranking(frames, videos.labels)
    of_videos = Ranking([one.max(keepdims=True) for one in frames], list(anomalous[:, None]))
    drawn = {
        "auc": ranking.auc(weights),
        "ap": ranking.average_precision(weights),
        "auc_anomalous": ranking.auc(weights, negatives=anomalous),
        "video_auc": of_videos.auc(weights),
    }
    said: Values = {"why_null": {}, "classes": {}, "threshold": threshold}
    for measure, values in drawn.items():
        _put(said, measure, values, why_null=videos.why_null[measure])
    for category, members in videos.classes.items():
        one = said["classes"][category] = _about_class(members)
        alone = ranking.auc(weights, positives=members, negatives=members)
        _put(one, "auc_alone", alone, why_null="every frame of its videos shows the anomaly")
        beside = ranking.auc(weights, positives=members, negatives=members | ~anomalous)
        _put(one, "auc_with_normals", beside, why_null="every frame of its videos shows it, and no video is normal")
    normal = [one for one, is_anomalous in zip(frames, anomalous, strict=True) if not is_anomalous]
    positive = [one[label] for one, label in zip(frames, videos.labels, strict=True) if label.any()]
    for rate, of, lacking in zip(
        RATES, (normal, positive), ("no test video is normal", "no test frame shows an anomaly"), strict=True
    ):
        said[rate] = None if threshold is None or not of else share_above(of, threshold)
        if not of:
            said["why_null"][rate] = lacking
    return said, drawn


def no_measures(videos: TestVideos, why: str) -> Values:
    """The part of `metrics.json` of a score that there is not."""
    classes = {category: _about_class(of) | _nulls(CLASS_MEASURES, why) for category, of in videos.classes.items()}
    rates = ("threshold", *RATES)
    why_null = dict.fromkeys((*MEASURES, *rates), why)
    return {**_nulls(MEASURES, why), **dict.fromkeys(rates), "why_null": why_null, "classes": classes}


def controls(videos: TestVideos) -> Values:
    """Chance, and a detector that knows each video's label and nothing of when the anomaly is."""
    knows = [np.full(len(label), label.any(), np.float32) for label in videos.labels]
    oracle, once = Ranking(knows, videos.labels), videos.weights[:1]
    said: Values = {"why_null": {}}
    for measure, values in {
        "auc": oracle.auc(once),
        "ap": oracle.average_precision(once),
        "auc_anomalous": oracle.auc(once, negatives=videos.anomalous),
    }.items():
        _put(said, measure, values, why_null=videos.why_null[measure])
    by_label = {measure: said[measure] for measure in ("auc", "ap", "auc_anomalous")}
    chance = {"auc": 0.5, "ap": videos.n_positive / videos.n_frames, "auc_anomalous": 0.5}
    by_chance = {measure: None if by_label[measure] is None else value for measure, value in chance.items()}
    why_null = {measure: why for measure, why in said["why_null"].items() if measure in by_label}
    return {"random": by_chance, "video_label_oracle": by_label, "why_null": why_null}


def pointing(videos: TestVideos, found: Mapping[str, Pointing], *, has_boxes: bool) -> Values:
    """The part `pointing` of `metrics.json`.

    Args:
        videos: the test videos.
        found: by key of those that show a box.
        has_boxes: whether the test set has any boxes.
    """
    if not found:
        why = "no scored frame shows an annotated box" if has_boxes else "no boxes of test videos are given: test_boxes"
        empty = _nulls(("accuracy",), why) | {"chance": None}
        return {**empty, "n_frames": 0, "n_videos": 0, "why_null": dict.fromkeys(("accuracy", "chance"), why)}
    none = Pointing(0, 0, 0.0)
    each = np.array([found.get(video.key, none) for video in videos.videos], np.float64)
    n_frames, n_hits, chance = (videos.weights @ each).T
    accuracy = np.divide(n_hits, n_frames, out=np.full_like(n_hits, np.nan), where=n_frames > 0)
    said: Values = {"n_frames": int(n_frames[0]), "n_videos": len(found), "why_null": {}}
    _put(said, "accuracy", accuracy, why_null="")
    return said | {"chance": float(chance[0] / n_frames[0])}


def auc_of_video(scores: NDArray[np.float32], labels: NDArray[np.bool_]) -> float | None:
    """ROC-AUC of the frames of one video; None where they are all of one kind."""
    if labels.all() or not labels.any():
        return None
    return float(Ranking([scores], [labels]).auc(np.ones((1, 1)))[0])


def share_above(frames: Scores, threshold: float) -> float:
    """Share of frames, of one video or more, whose score is above the threshold."""
    return sum(int((one > threshold).sum()) for one in frames) / sum(map(len, frames))


def _put(said: Values, measure: str, values: NDArray[np.float64], *, why_null: str) -> None:
    """Put a value with its interval, or the reason why there is none.

    Args:
        said: gets them.
        measure: its name.
        values: (1 + B,), the value and those of the resamplings; NaN where there is none.
        why_null: the reason, if there is none.
    """
    value = float(values[0])
    ends = interval(values[1:])
    known = not np.isnan(value)
    said[measure] = value if known else None
    said[f"{measure}_interval"] = list(ends) if known and ends else None
    if not known:
        said["why_null"][measure] = why_null
    elif ends is None:
        said["why_null"][f"{measure}_interval"] = (
            "bootstrap is 0: nothing was resampled" if len(values) == 1 else "no resampling had frames of both kinds"
        )


def _about_class(members: NDArray[np.bool_]) -> Values:
    n_videos = int(members.sum())
    return {"n_videos": n_videos, "few": n_videos < FEW_VIDEOS, "why_null": {}}


def _nulls(names: Sequence[str], why: str) -> Values:
    values = [f"{name}{end}" for name in names for end in ("", "_interval")]
    return {**dict.fromkeys(values), "why_null": dict.fromkeys(names, why)}
