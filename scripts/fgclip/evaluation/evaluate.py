"""What one form of a model reaches on a test set; `metrics_file` has the form of what is written."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.fgclip.data.records import TestSet, read_records, read_test
from scripts.fgclip.evaluation.calibration import Calibration, calibrate, frame_scores
from scripts.fgclip.evaluation.measures import (
    TestVideos,
    Values,
    auc_of_video,
    controls,
    label_videos,
    measures,
    no_measures,
    pointing,
    share_above,
)
from scripts.fgclip.evaluation.metrics_file import (
    BOOTSTRAP,
    CLASS_MEASURES,
    COLUMNS,
    DENSE,
    FORMAT,
    MEASURES,
    METRICS,
    RATES,
    SCORES,
    TABLE,
)
from scripts.fgclip.evaluation.pointing import point_all
from scripts.fgclip.scoring.expand import expand
from scripts.fgclip.scoring.score_files import VideoScores, read_scores
from scripts.shared import atomic_files
from scripts.shared.errors import JobError

AVERAGE_PRECISION = (
    "sum over steps of recall of the precision there, as scikit-learn's average_precision_score; not the area under "
    "trapezoids (auc of recall and precision) that RTFM and LAVAD print"
)
_NAMED = 5  # missing videos in a message


def evaluate(
    *,
    scores_dir: Path,
    test: Path,
    records: Path,
    target: Path,
    dataset: str,
    form: str,
    expansion: str,
    allow_missing: bool,
    samples: int,
    seed: int,
) -> dict[str, Any]:
    """Measure one form of a model on the test videos of a dataset.

    Args:
        scores_dir: `<key>.npz` of each scored video, test and training.
        test: `test.json`.
        records: `records.json`, for the scored training videos.
        target: gets `metrics.json`, `metrics.csv` and `bootstrap.npz`.
        dataset: its name.
        form: of the model.
        expansion: how frames between scored ones get their score, see `expand`.
        allow_missing: whether the measurement may do without listed videos, and say so.
        samples: resamplings for the intervals; 0 for none.
        seed: of the resampling.

    Returns:
        What `metrics.json` holds.

    Raises:
        JobError: a listed video has no scores, or those of another file; or scores, test set or records are damaged.
    """
    test_set = read_test(test)
    scored, missing = _read_scored(scores_dir, test_set)
    if missing and not (allow_missing and scored):
        named = ", ".join(missing[:_NAMED]) + (" ..." if len(missing) > _NAMED else "")
        raise JobError(
            f"{len(missing)} of {test_set.listed} test videos have no scores ({named}): failures.csv says why of "
            "those that cannot be used, logs/fgclip_score_shard of the others. Put the videos right, or set "
            "allow_missing: true to measure without them"
        )
    here = tuple(video for video in test_set.videos if video.key in scored)
    test_videos = label_videos(here, samples=samples, seed=seed)
    calibration = calibrate(scores_dir, read_records(records))
    frames = _expanded([scored[video.key] for video in here], calibration, expansion)
    measured, resampled = _measured(test_videos, frames, calibration)
    of_all = f", {len(here)} of {test_set.listed} videos" if missing else ""
    metrics = {
        "format": FORMAT,
        "dataset": dataset,
        "form": form,
        "title": f"{dataset}, {form}{of_all}",
        "missing": missing,
        "expand": expansion,
        "ap": AVERAGE_PRECISION,
        "bootstrap": {"samples": samples, "seed": seed},
        "frames": {
            "n": test_videos.n_frames,
            "positive": test_videos.n_positive,
            "prevalence": test_videos.n_positive / test_videos.n_frames,
        },
        "videos": {
            "n_listed": test_set.listed,
            "n": len(here),
            "anomalous": int(test_videos.anomalous.sum()),
            "normal": int((~test_videos.anomalous).sum()),
        },
        "scores": measured,
        "controls": controls(test_videos),
        "pointing": pointing(test_videos, point_all(scored, test_set.boxes), has_boxes=bool(test_set.boxes)),
        "calibration": calibration.as_json(),
        "per_video": list(_per_video(test_videos, frames, calibration.thresholds)),
    }
    target.mkdir(parents=True, exist_ok=True)
    with atomic_files.open_new(target / BOOTSTRAP) as file:
        np.savez(file, allow_pickle=False, videos=np.array([video.key for video in here], np.str_), **resampled)
    atomic_files.write_text(target / TABLE, _table(metrics))
    atomic_files.write_json(target / METRICS, metrics)
    return metrics


def _read_scored(scores_dir: Path, test_set: TestSet) -> tuple[dict[str, VideoScores], list[str]]:
    """Scores by key, and the keys of listed videos without any."""
    scored: dict[str, VideoScores] = {}
    missing = list(test_set.missing)
    for video in test_set.videos:
        path = scores_dir / f"{video.key}.npz"
        if not path.exists():
            missing.append(video.key)
            continue
        scored[video.key] = read_scores(path)
        if scored[video.key].n_frames != video.n_frames:
            raise JobError(
                f"{path}: is of {scored[video.key].n_frames} frames, but the video has {video.n_frames}: it was "
                "replaced since; run the whole again"
            )
    return scored, missing


def _expanded(
    scored: Sequence[VideoScores], calibration: Calibration, expansion: str
) -> dict[str, list[NDArray[np.float32]]]:
    """Scores of all frames of each video, by name of the score."""
    frames: dict[str, list[NDArray[np.float32]]] = {}
    for video in scored:
        for name, values in frame_scores(video, calibration.scales).items():
            frames.setdefault(name, []).append(expand(values, video.frames, video.n_frames, expansion))
    return frames


def _measured(
    test_videos: TestVideos, frames: Mapping[str, Sequence[NDArray[np.float32]]], calibration: Calibration
) -> tuple[dict[str, Values], dict[str, NDArray[np.float64]]]:
    """The parts of `metrics.json` of all scores, and what `bootstrap.npz` holds of them."""
    measured: dict[str, Values] = {}
    resampled: dict[str, NDArray[np.float64]] = {}
    for name in SCORES:
        if name not in frames:
            measured[name] = no_measures(test_videos, calibration.why_null["scales"])
            continue
        measured[name], values = measures(test_videos, frames[name], calibration.thresholds.get(name))
        if name not in calibration.thresholds:
            measured[name]["why_null"] |= dict.fromkeys(("threshold", *RATES), calibration.why_null["thresholds"])
        resampled |= {f"{name}.{measure}": value[1:] for measure, value in values.items()}
    return measured, resampled


def _per_video(
    test_videos: TestVideos, frames: Mapping[str, Sequence[NDArray[np.float32]]], thresholds: Mapping[str, float]
) -> Iterator[Values]:
    for at, (video, label) in enumerate(zip(test_videos.videos, test_videos.labels, strict=True)):
        own = {name: values[at] for name, values in frames.items()}
        yield {
            "key": video.key,
            "category": video.category,
            "anomalous": bool(label.any()),
            "n_frames": video.n_frames,
            "n_positive": int(label.sum()),
            "max": _by_score({name: float(values.max()) for name, values in own.items()}),
            "auc": _by_score({name: auc_of_video(values, label) for name, values in own.items()}),
            "false_alarm_rate": _by_score(
                {name: share_above([own[name]], threshold) for name, threshold in thresholds.items()}
                if not label.any()
                else {}
            ),
        }


def _by_score(values: Mapping[str, float | None]) -> dict[str, float | None]:
    return {name: values.get(name) for name in SCORES}


def _table(metrics: Mapping[str, Any]) -> str:
    """The values of all scores, a line each."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for name, said in metrics["scores"].items():
        writer.writerows(_lines({"score": name, "n_videos": metrics["videos"]["n"]}, said, (*MEASURES, *RATES)))
        for category, of_class in said["classes"].items():
            about = {"score": name, "class": category + ("*" if of_class["few"] else "")}
            writer.writerows(_lines(about | {"n_videos": of_class["n_videos"]}, of_class, CLASS_MEASURES))
    pointing = metrics["pointing"]
    writer.writerows(_lines({"score": DENSE, "n_videos": pointing["n_videos"]}, pointing, ("accuracy",)))
    for name, said in metrics["controls"].items():
        if name != "why_null":
            about = {"score": name, "n_videos": metrics["videos"]["n"]}
            writer.writerows(_lines(about, said | {"why_null": metrics["controls"]["why_null"]}, said))
    return text.getvalue()


def _lines(about: Values, said: Mapping[str, Any], measures: Iterable[str]) -> Iterator[Values]:
    for measure in measures:
        low, high = said.get(f"{measure}_interval") or (None, None)
        why = said["why_null"].get(measure, "")
        yield about | {"measure": measure, "value": said[measure], "low": low, "high": high, "why_null": why}
