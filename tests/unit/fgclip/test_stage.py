"""scripts.fgclip.stage: which videos are looked at and scored, and when again."""

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.fgclip.data.video_list import VideoList
from scripts.fgclip.stage import dataset_stages, scores_stage, videos_stage
from scripts.shared.config import load_config
from scripts.shared.planning.stage import Stage

KEYS = ["Abuse001_x264", "Normal_Videos001_x264", "Arson009_x264"]


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """Three training videos, one of which is missing, and two test videos."""
    items = [{"f_path": f"{key}.mp4", "global_caption": "something", "bbox_info": []} for key in KEYS]
    (tmp_path / "train.json").write_text(json.dumps(items))
    (tmp_path / "test.txt").write_text(
        "Abuse028_x264.mp4  Abuse  165  240  -1  -1  \nNormal_Videos_003_x264.mp4  Normal  -1  -1  -1  -1  \n"
    )
    (tmp_path / "videos").mkdir()
    for key in (*KEYS[:2], "Abuse028_x264", "Normal_Videos_003_x264"):
        (tmp_path / "videos" / f"{key}.mp4").write_bytes(key.encode())
    return tmp_path


def config(given: Path, **options: Any) -> dict[str, Any]:
    named = {"train": str(given / "train.json"), "test": str(given / "test.txt"), "videos": str(given / "videos")}
    fgclip = {"clip": "tiny", "datasets": {"ucf": named | options}, "runs": {"toy": {"dataset": "ucf"}}}
    return load_config({"fgclip": fgclip, "results_dir": str(given / "r")}, lambda _key: "config.yaml")


def scores(asked: dict[str, Any], form: str) -> Stage:
    return scores_stage(asked, videos_stage(asked, "ucf"), form)


def entries(stage: Stage) -> dict[str, dict[str, Any]]:
    return {entry.key: json.loads(entry.entry) for entry in stage.read_list()}


def test_every_video_of_both_lists_is_looked_at_once(given: Path) -> None:
    found = entries(videos_stage(config(given), "ucf"))
    assert list(found) == [*KEYS, "Abuse028_x264", "Normal_Videos_003_x264"]
    assert found["Abuse001_x264"]["source"] == "Abuse001_x264.mp4"
    assert found["Abuse001_x264"]["files"] == ["videos/Abuse001_x264.json"]
    assert found["Arson009_x264"]["error"][0] == "missing_video"


def test_test_videos_are_scored_and_so_many_training_videos_as_are_asked_for(given: Path) -> None:
    tests = ["Abuse028_x264", "Normal_Videos_003_x264"]
    for wanted, drawn in ((0, 0), (1, 1), (100, 2)):  # a missing video is not drawn
        found = entries(scores(config(given, calibration_videos=wanted), "toy"))
        assert len(found) == 2 + drawn
        assert list(found)[-2:] == tests
        assert found["Abuse028_x264"]["files"] == ["scores/toy/Abuse028_x264.npz"]


def test_a_part_of_the_videos_is_a_part_of_the_scores(given: Path) -> None:
    asked = config(given, select=["Abuse001_x264", "Abuse028_x264"])
    assert list(entries(scores(asked, "toy.init"))) == ["Abuse001_x264", "Abuse028_x264"]


def test_scores_follow_their_model_and_what_they_are_counted_with(given: Path) -> None:
    stage = scores(config(given), "toy.init")
    assert stage.made_before == {"model": str(given / "r" / "fgclip" / "runs" / "toy" / "init" / "polymill.json")}
    other = scores(config(given, stride=8), "toy.init")
    assert {key for key in stage.settings if stage.settings[key] != other.settings[key]} == {"stride"}
    prompts = given / "prompts.yaml"
    prompts.write_text("{anomaly: ['a {}'], normal: [nothing], classes: {Abuse: [slap]}}")
    asked = config(given, prompts=str(prompts))
    assert scores(asked, "toy").settings["prompts"] != stage.settings["prompts"]


def test_a_dataset_has_a_stage_of_scores_for_each_of_its_models(given: Path) -> None:
    names = [stage.name for stage in dataset_stages(config(given), "ucf")]
    assert names == ["videos", "scores.toy.init", "scores.toy"]


def test_all_stages_of_a_dataset_share_one_reading_of_its_lists(given: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[VideoList] = []
    listed = VideoList.entries
    monkeypatch.setattr(VideoList, "entries", lambda videos: read.append(videos) or listed(videos))
    for stage in dataset_stages(config(given), "ucf"):
        assert entries(stage)
    assert len(read) == 1
