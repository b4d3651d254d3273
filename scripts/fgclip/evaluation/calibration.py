"""What training videos tell of a model's scores: their scale, and the threshold of an alarm. No test video is asked."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.fgclip.data.records import Item, Records
from scripts.fgclip.evaluation.metrics_file import DENSE, GLOBAL, MEAN, SCORES
from scripts.fgclip.scoring.score_files import VideoScores, read_scores


@dataclass(frozen=True)
class Scale:
    """Mean and deviation of one score; each video counts the same, however long it is."""

    mean: float
    std: float


@dataclass(frozen=True)
class Calibration:
    """What was learned from scored training videos.

    Attributes:
        n_videos: that were scored.
        scales: of `global` and `dense`; empty where no video was scored.
        thresholds: by score; empty where the videos do not show both annotated and other frames.
        why_null: why a part is empty: of `scales` and `thresholds`.
    """

    n_videos: int
    scales: dict[str, Scale]
    thresholds: dict[str, float]
    why_null: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """The part `calibration` of `metrics.json`."""
        scores: dict[str, dict[str, float | None]] = {}
        for name in SCORES if self.scales else ():
            scale = asdict(self.scales[name]) if name in self.scales else {}
            scores[name] = {**scale, "threshold": self.thresholds.get(name)}
        return {"n_videos": self.n_videos, "scores": scores, "why_null": self.why_null}


def calibrate(scores_dir: Path, records: Records) -> Calibration:
    """Learn scales and thresholds from those training videos whose scores are there.

    Args:
        scores_dir: `<key>.npz` of each scored video.
        records: the training items.

    Raises:
        JobError: a file of scores is damaged.
    """
    scored = {key: read_scores(path) for key in sorted(records.videos) if (path := scores_dir / f"{key}.npz").exists()}
    if not scored:
        why = "no training video was scored; calibration_videos says how many are to be"
        return Calibration(0, {}, {}, {"scales": why, "thresholds": why})
    scales = {
        GLOBAL: _scale([video.global_margins for video in scored.values()]),
        DENSE: _scale([video.dense_margins for video in scored.values()]),
    }
    annotated = np.concatenate(
        [_annotated(video, (item for item in records.items if item.video == key)) for key, video in scored.items()]
    )
    if annotated.all() or not annotated.any():
        kind = "none" if not annotated.any() else "all"
        why = (
            f"{kind} of the scored frames of {len(scored)} training videos are annotated as an anomaly: both are needed"
        )
        return Calibration(len(scored), scales, {}, {"thresholds": why})
    by_name: dict[str, list[NDArray[np.float32]]] = {}
    for video in scored.values():
        for name, values in frame_scores(video, scales).items():
            by_name.setdefault(name, []).append(values)
    thresholds = {name: best_threshold(np.concatenate(values), annotated) for name, values in by_name.items()}
    return Calibration(len(scored), scales, thresholds, {})


def frame_scores(video: VideoScores, scales: dict[str, Scale]) -> dict[str, NDArray[np.float32]]:
    """The scores of a video's scored frames, (n,) float32 each: `global`, `dense`, and where there are scales, `mean`.

    Args:
        video: its margins.
        scales: of `Calibration`; the mean is that of both margins in units of their deviation.
    """
    scores = {GLOBAL: video.global_margins, DENSE: video.dense_margins}
    if scales:
        both = [(scores[name].astype(np.float64) - scale.mean) / scale.std for name, scale in scales.items()]
        scores[MEAN] = np.mean(both, axis=0).astype(np.float32)
    return scores


def best_threshold(scores: NDArray[np.float32], annotated: NDArray[np.bool_]) -> float:
    """The threshold above which the share of annotated frames most exceeds that of the others.

    Args:
        scores: (n,) float32.
        annotated: (n,) bool, of both kinds.

    Returns:
        A value halfway between two scores; below all or above all of them where no other is better.

    Source: Youden 1950, the largest J = sensitivity + specificity - 1.
    """
    values, place = np.unique(scores, return_inverse=True)
    gain = annotated / annotated.sum() - ~annotated / (~annotated).sum()
    # Youden's J of each cut: behind nothing, behind the first value, ...
    above = np.concatenate([[0.0], np.cumsum(np.bincount(place, gain)[::-1])])[::-1]
    cut = int(above.argmax())
    bounds = np.concatenate([values[:1] - 1, values, values[-1:] + 1]).astype(np.float64)
    return float((bounds[cut] + bounds[cut + 1]) / 2)


def _scale(margins: Sequence[NDArray[np.float32]]) -> Scale:
    means, squares = (np.mean([np.mean(of.astype(np.float64) ** power) for of in margins]) for power in (1, 2))
    std = float(np.sqrt(max(squares - means**2, 0.0)))
    return Scale(float(means), std or 1.0)  # a constant score is no score, but no NaN either


def _annotated(video: VideoScores, items: Iterable[Item]) -> NDArray[np.bool_]:
    """(n,) bool, whether a scored frame lies between the first and the last frame of an annotated anomaly."""
    within = np.zeros(len(video.frames), np.bool_)
    for item in items:
        for region in item.regions:
            if region.keys:
                start = region.keys[0].frame if region.start is None else region.start
                end = region.keys[-1].frame if region.end is None else region.end
                within |= (start <= video.frames) & (video.frames <= end)
    return within
