"""Test sets, records and scores that no video and no model made."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.fgclip.data.records import Item, Key, LabelledVideo, Records, Region, TestSet, Video
from scripts.fgclip.evaluation.evaluate import evaluate
from scripts.fgclip.scoring.score_files import VideoScores, scores_npz
from scripts.shared import atomic_files
from tests.unit.fgclip.scoring.made_scores import made_scores

N_FRAMES = 40
BOX = (0.0, 0.0, 0.5, 0.5)  # the first place of four


def video(key: str, *intervals: tuple[int, int], n_frames: int = N_FRAMES) -> LabelledVideo:
    category = "".join(letter for letter in key if letter.isalpha())
    return LabelledVideo(key, Path(f"{key}.mp4"), category, n_frames, 30.0, intervals)


def region(start: int, end: int) -> Region:
    return Region("a fire", start, end, (Key(start, *BOX, True), Key(end, *BOX, True)))


def listed_videos(
    *videos: LabelledVideo, missing: Sequence[str] = (), boxes: Mapping[str, Region] | None = None
) -> TestSet:
    given = {key: (one,) for key, one in (boxes or {}).items()}
    return TestSet(len(videos) + len(missing), videos, tuple(missing), (), given)


VIDEOS = (video("Fire1", (8, 20)), video("Fire2", (0, 40)), video("Flood1", (12, 16), (30, 40)), video("Normal1"))
# Training: of what is annotated the margin is high in one video, and a normal one has two high ones.
RECORDS = Records(
    {key: Video(Path(f"{key}.mp4"), N_FRAMES, 30.0, 64, 48, key) for key in ("Fire9", "Normal9", "Flood9")},
    (
        Item("Fire9", "Fire9", "Fire", True, "a fire", (0, N_FRAMES), (region(8, 19),)),
        Item("Normal9", "Normal9", "Normal", False, "nothing", (0, N_FRAMES), (Region("nothing", None, None, ()),)),
        Item("Flood9", "Flood9", "Flood", True, "a flood", (0, N_FRAMES), (region(0, 3),)),
    ),
)


class Place:
    """What an evaluation reads, and where it writes."""

    def __init__(self, folder: Path, test: TestSet, records: Records = RECORDS) -> None:
        self.folder, self.test, self.records = folder, folder / "test.json", folder / "records.json"
        atomic_files.write_json(self.test, test.as_json())
        atomic_files.write_json(self.records, records.as_json())
        self.videos = test.videos

    def scores(self, form: str = "toy") -> Path:
        (folder := self.folder / "scores" / form).mkdir(parents=True, exist_ok=True)
        return folder

    def put(self, key: str, scores: VideoScores, form: str = "toy") -> None:
        (self.scores(form) / f"{key}.npz").write_bytes(scores_npz(scores))

    def put_all(self, form: str = "toy", *, knows: float = 1.0, seed: int = 0) -> None:
        """Scores for test and training: noise, and `knows` times the truth."""
        for number, one in enumerate(self.videos):
            truth = np.zeros(one.n_frames)
            for start, end in one.intervals:
                truth[start:end] = 1
            self.put(one.key, noisy(truth, knows, seed + number), form)
        for number, key in enumerate(RECORDS.videos):
            truth = np.zeros(N_FRAMES)
            for item in RECORDS.items:
                if item.video == key and item.anomalous:
                    truth[item.regions[0].start : (item.regions[0].end or 0) + 1] = 1
            self.put(key, noisy(truth, knows, seed + 100 + number), form)

    def evaluate(self, form: str = "toy", **options: Any) -> dict[str, Any]:
        given = {"dataset": "made", "expansion": "linear", "allow_missing": False, "samples": 20, "seed": 42} | options
        target = self.folder / "eval" / form
        return evaluate(
            scores_dir=self.scores(form), test=self.test, records=self.records, target=target, form=form, **given
        )


def noisy(truth: NDArray[np.float64], knows: float, seed: int) -> VideoScores:
    made = made_scores(n_frames=len(truth), stride=4, seed=seed)
    shown = (knows * truth[::4]).astype(np.float32)
    return replace(
        made,
        global_margins=made.global_margins + shown,
        dense_margins=made.dense_margins + shown,
        margin_map=made.margin_map + shown[:, None, None],
    )
