"""A small scored and measured dataset: two anomalous videos, of which one is told badly, and a normal one."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.fgclip.data.records import Item, Key, LabelledVideo, Records, Region, TestSet, Video
from scripts.fgclip.evaluation.evaluate import evaluate
from scripts.fgclip.evaluation.metrics_file import METRICS, read_metrics
from scripts.fgclip.figures.shown_video import ShownVideo, shown_video
from scripts.fgclip.scoring.score_files import VideoScores, scores_npz
from scripts.shared.video.writing import write_h264

N_FRAMES, WIDTH, HEIGHT, FPS = 40, 48, 32, 10
EVENT = (16, 28)
GOOD, BAD, NORMAL, TRAINING = "Abuse001_x264", "Abuse002_x264", "Normal_Videos_003_x264", "Arson001_x264"
# In the left half until frame 20, where it goes out of sight.
REGION = Region(
    "a person hits another", 16, 28, (Key(16, 0.1, 0.2, 0.4, 0.8, True), Key(20, 0.1, 0.2, 0.4, 0.8, False))
)
HOT = (1, 2)  # row and column of the place with the largest margin, of 2 x 4


@dataclass(frozen=True)
class Made:
    """Files of the dataset, in its folder."""

    folder: Path

    @property
    def test(self) -> Path:
        return self.folder / "test.json"

    @property
    def metrics(self) -> Path:
        return self.folder / "eval" / METRICS

    @property
    def scores(self) -> Path:
        return self.folder / "scores"

    @property
    def facts(self) -> Path:
        return self.folder / "videos"


def make_scores(key: str) -> VideoScores:
    """Scores of every fourth frame: of the badly told video they are low within the event."""
    frames = np.arange(0, N_FRAMES, 4, dtype=np.int64)
    within = ((frames >= EVENT[0]) & (frames < EVENT[1])).astype(np.float32)
    sign = {BAD: -1.0, NORMAL: 0.0}.get(key, 1.0)
    noise = np.random.default_rng(len(key) + ord(key[-6])).normal(0, 0.1, (len(frames), 2, 4)).astype(np.float32)
    margins = noise - 2
    margins[:, HOT[0], HOT[1]] += np.float32(4 * sign) * within
    logits = np.zeros((len(frames), 3), np.float32)
    return VideoScores(
        frames=frames,
        global_margins=margins.mean((1, 2)),
        dense_margins=margins.max((1, 2)),
        margin_map=margins,
        class_logits=logits,
        video_logits=logits[0],
        classes=("Abuse", "Arson", "Normal"),
        n_frames=N_FRAMES,
    )


def make_dataset(folder: Path, *, calibrated: bool = True) -> Made:
    """Write the videos, their facts and scores, the test set and what was measured."""
    made = Made(folder)
    video = folder / "raw.mp4"
    write_h264(video, _pictures(), fps=FPS)
    made.scores.mkdir()
    made.facts.mkdir()
    for key in (GOOD, BAD, NORMAL, *([TRAINING] if calibrated else [])):
        (made.scores / f"{key}.npz").write_bytes(scores_npz(make_scores(key)))
        (made.facts / f"{key}.json").write_text(json.dumps({"width": WIDTH, "height": HEIGHT}))
    listed = [labelled(GOOD, video), labelled(BAD, video), labelled(NORMAL, video)]
    made.test.write_text(json.dumps(TestSet(3, tuple(listed), (), (), {GOOD: (REGION,)}).as_json()))
    item = Item(TRAINING, TRAINING, "Arson", True, "a person sets fire", (0, N_FRAMES), (REGION,))
    records = Records({TRAINING: Video(video, N_FRAMES, FPS, WIDTH, HEIGHT, "ab12")}, (item,))
    (folder / "records.json").write_text(json.dumps(records.as_json()))
    evaluate(
        scores_dir=made.scores,
        test=made.test,
        records=folder / "records.json",
        target=made.metrics.parent,
        dataset="made",
        form="run",
        expansion="linear",
        allow_missing=False,
        samples=20,
        seed=1,
    )
    return made


def labelled(key: str, video: Path = Path("raw.mp4")) -> LabelledVideo:
    """A test video of the dataset."""
    intervals = () if key == NORMAL else (EVENT,)
    return LabelledVideo(key, video, "Normal" if key == NORMAL else "Abuse", N_FRAMES, float(FPS), intervals)


def shown(made: Made, key: str, *, regions: tuple[Region, ...] = (REGION,)) -> ShownVideo:
    """A video of the dataset as it is shown."""
    measured: dict[str, Any] = dict(read_metrics(made.metrics))
    return shown_video(labelled(key), make_scores(key), measured, regions=regions, why="asked for")


def _pictures() -> list[NDArray[np.uint8]]:
    across = np.linspace(20, 200, WIDTH)
    return [
        np.stack([np.tile(across + number, (HEIGHT, 1))] * 3, axis=2).astype(np.uint8) for number in range(N_FRAMES)
    ]
