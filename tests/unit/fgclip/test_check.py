"""scripts.fgclip.check: what verification says of the files of a video."""

import json
from dataclasses import replace

import numpy as np
import pytest

from scripts.fgclip.check import facts_checker, scores_checker
from scripts.fgclip.scoring.prompts import read_prompts
from scripts.fgclip.scoring.score_files import VideoScores, scores_npz

PROMPTS = read_prompts()
CHECK = scores_checker({"prompts": PROMPTS.as_settings(), "stride": 16})
N = len(PROMPTS.classes)
GOOD = VideoScores(
    frames=np.arange(0, 40, 16),
    global_margins=np.zeros(3, np.float32),
    dense_margins=np.zeros(3, np.float32),
    margin_map=np.zeros((3, 2, 2), np.float32),
    class_logits=np.zeros((3, N), np.float32),
    video_logits=np.zeros(N, np.float32),
    classes=PROMPTS.classes,
    n_frames=40,
)


def test_good_scores_are_right() -> None:
    assert CHECK({"scores/toy/a.npz": scores_npz(GOOD)}) == ""


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (replace(GOOD, frames=np.arange(0, 40, 8)), "not one in every 16"),
        (replace(GOOD, classes=("Abuse", "Normal")), "scores for the classes Abuse, Normal"),
        (replace(GOOD, global_margins=np.full(3, np.nan, np.float32)), "no number"),
    ],
)
def test_wrong_scores_are_named(scores: VideoScores, message: str) -> None:
    assert message in CHECK({"scores/toy/a.npz": scores_npz(scores)})


def test_damage_is_named() -> None:
    content = scores_npz(GOOD)
    assert "no scores of a video" in CHECK({"a.npz": b"rubbish"})
    assert "cannot be read" in CHECK({"a.npz": content[: len(content) // 2]})
    assert CHECK({}) == "no file on record"


def test_facts_need_frames() -> None:
    check = facts_checker({})
    facts = {"n_frames": 3, "width": 4, "height": 4}
    assert check({"videos/a.json": json.dumps(facts).encode()}) == ""
    assert "no frame" in check({"videos/a.json": json.dumps(facts | {"n_frames": 0}).encode()})
    assert "no facts" in check({"videos/a.json": b"{"})
    assert check({}) == "no file on record"
