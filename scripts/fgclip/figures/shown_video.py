"""A test video as it is shown: its facts, its truth and its scores, on the scale of the training videos."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.fgclip.data.records import LabelledVideo, Region
from scripts.fgclip.evaluation.calibration import Scale, frame_scores
from scripts.fgclip.evaluation.metrics_file import DENSE, GLOBAL, MEAN
from scripts.fgclip.scoring.score_files import VideoScores

WORDS = {GLOBAL: "whole frame", DENSE: "places", MEAN: "mean of both"}


@dataclass(frozen=True)
class ShownVideo:
    """What the pictures of a video need beside its frames.

    Attributes:
        video: its facts and intervals.
        regions: annotated boxes; may be empty.
        why: why it is shown, in words.
        frames: (n,) int64, the scored frames.
        margin_map: (n, H, W) float32.
        scores: (n,) by name of the score, the one that is judged last.
        units: of the scores.
        threshold: of the one that is judged, None where none was fixed.
        auc: of the video's own frames, None where they are of one kind.
    """

    video: LabelledVideo
    regions: tuple[Region, ...]
    why: str
    frames: NDArray[np.int64]
    margin_map: NDArray[np.float32]
    scores: Mapping[str, NDArray[np.float32]]
    units: str
    threshold: float | None
    auc: float | None

    @property
    def judged(self) -> NDArray[np.float32]:
        """(n,) of the score that is judged."""
        return self.scores[list(self.scores)[-1]]

    @property
    def title(self) -> str:
        """The video in a line."""
        told = "" if self.auc is None else f", AUC of its frames {self.auc:.2f}"
        return f"{self.video.key} ({self.video.category}): {self.why}{told}"


def judged_score(metrics: Mapping[str, Any]) -> str:
    """Name of the score that the pictures judge by: the mean of both where a calibration made it, else the frame's."""
    return MEAN if metrics["calibration"]["scores"].get(MEAN) else GLOBAL


def shown_video(
    video: LabelledVideo,
    scores: VideoScores,
    metrics: Mapping[str, Any],
    *,
    regions: tuple[Region, ...],
    why: str,
) -> ShownVideo:
    """Bring together what is known of a video.

    Args:
        video: of the test set.
        scores: its scores.
        metrics: `metrics.json` of the form.
        regions: its annotated boxes.
        why: why it is shown.
    """
    calibration = metrics["calibration"]["scores"]
    scales = {
        name: Scale(calibration[name]["mean"], calibration[name]["std"]) for name in (GLOBAL, DENSE) if calibration
    }
    by_name = frame_scores(scores, scales)
    for name, scale in scales.items():
        by_name[name] = (by_name[name] - scale.mean) / scale.std
    judged = judged_score(metrics)
    told = {one["key"]: one["auc"][judged] for one in metrics["per_video"]}
    return ShownVideo(
        video=video,
        regions=regions,
        why=why,
        frames=scores.frames,
        margin_map=scores.margin_map,
        scores={name: by_name[name] for name in sorted(by_name, key=lambda name: name == judged)},
        units="standard deviations" if judged == MEAN else "margin",
        threshold=(calibration.get(judged) or {}).get("threshold"),
        auc=told.get(video.key),
    )
