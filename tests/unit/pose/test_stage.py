import json
from pathlib import Path
from typing import Any

import pytest

from scripts.pose import caption_list
from scripts.pose.caption_list import CaptionList
from scripts.pose.stage import key_of_pose, pose_stages, preview_files
from scripts.shared.config import load_config
from scripts.shared.errors import ConfigError, PlanningError

CAPTIONS = "A person waving\nA person sitting#24\n他在走路\nA person waving\n"
TINY = {"checkpoints": "tiny", "motions": "tests/data/demo/pose"}


def config(tmp_path: Path, options: dict[str, Any] = TINY, **dataset: Any) -> dict[str, Any]:
    (tmp_path / "list.txt").write_text(CAPTIONS)
    given = {"captions": str(tmp_path / "list.txt"), **dataset}
    return load_config({"pose": {**options, "datasets": {"tenk": given}}}, lambda _: "config.yaml")


def entries(tmp_path: Path, stage: int, **dataset: Any) -> dict[str, dict[str, Any]]:
    listed = pose_stages(config(tmp_path, **dataset), "tenk")[stage].read_list()
    return {entry.key: json.loads(entry.entry) for entry in listed}


def settings(tmp_path: Path, **dataset: Any) -> list[dict[str, Any]]:
    return [stage.settings for stage in pose_stages(config(tmp_path, **dataset), "tenk")]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("cfg", 2.0), ("preset", "fast"), ("sequence_length", 20), ("frame_index", 3), ("time_steps", 5),
        ("solver", "rk4"), ("solver_steps", 9), ("precision", "tf32"), ("seed", 1), ("save_motion", True),
    ],
)  # fmt: skip
def test_what_changes_a_pose_changes_the_settings_of_that_stage_alone(
    tmp_path: Path, option: str, value: object
) -> None:
    (text, generate, render), changed = settings(tmp_path), settings(tmp_path, **{option: value})
    assert changed[1] != generate
    assert [changed[0], changed[2]] == [text, render]


@pytest.mark.parametrize("changes", [{"batch_size": 7}, {"workers": 3}, {"shard_size": 5}, {"jobs_per_gpu": 2}])
def test_what_changes_no_bytes_changes_no_settings(tmp_path: Path, changes: dict[str, int]) -> None:
    assert settings(tmp_path, **changes) == settings(tmp_path)


def test_all_stages_have_the_same_samples_and_each_is_made_from_the_one_before(tmp_path: Path) -> None:
    stages = pose_stages(config(tmp_path), "tenk")
    assert [(stage.name, stage.upstream, stage.index is not None) for stage in stages] == [
        ("text", "", False), ("generate", "text", False), ("render", "generate", True),
    ]  # fmt: skip
    keys = [[entry.key for entry in stage.read_list()] for stage in stages]
    assert keys == [["waving", "sitting", "他在走路"]] * 3
    assert stages[0].remarks() == ["1 more in the list, which repeat a caption: each caption is made once"]


def test_stages_are_described_without_reading_the_list_and_a_process_reads_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    really = caption_list.read_captions
    monkeypatch.setattr(caption_list, "read_captions", lambda path, **named: read.append(path) or really(path, **named))
    asked = config(tmp_path, previews=["waving"])
    stages = pose_stages(asked, "tenk")
    assert not read  # a job of a run describes them too
    for stage in stages:
        stage.read_list()
    assert stages[2].index_of_list()["captions"]["waving"] == "A person waving"
    assert preview_files(asked, "tenk")
    assert read == [tmp_path / "list.txt"]
    (tmp_path / "list.txt").write_text("A person who is new\n")
    assert [entry.key for entry in pose_stages(asked, "tenk")[0].read_list()] == ["who_is_new"]


@pytest.mark.parametrize(
    ("lines", "needed"),
    [
        ("A person waving\n", False), ("A person waving#24\n", False), ("A person waving#NA\n", True),
        ("A person waves\nA person sits# \tna\n", True), ("A NA person # sits\n", False),
    ],
)  # fmt: skip
def test_a_length_that_is_left_to_the_model_is_seen_without_taking_the_list_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: str, needed: bool
) -> None:
    path = tmp_path / "captions.txt"
    path.write_text(lines)
    assert CaptionList({"captions": path}).needs_lengths() == needed
    (tmp_path / "captions.jsonl").write_text(
        "".join(json.dumps({"caption": line}) + "\n" for line in lines.split("\n") if line)
    )
    assert CaptionList({"captions": tmp_path / "captions.jsonl"}).needs_lengths() == needed
    if not needed:
        monkeypatch.setattr(caption_list, "read_captions", None)
        assert not CaptionList({"captions": path}).needs_lengths()


def test_a_list_that_cannot_be_read_says_so_where_lengths_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(PlanningError, match=r"gone\.txt: No such file"):
        CaptionList({"captions": tmp_path / "gone.txt"}).needs_lengths()


def test_a_sample_names_its_files_its_source_and_its_own_length(tmp_path: Path) -> None:
    repeats = {"repeats": 2, "save_motion": True}
    text, poses, pictures = (entries(tmp_path, stage, **repeats)["sitting"] for stage in range(3))
    assert text == {"caption": "A person sitting", "files": ["text/sitting.npy"]}
    assert (poses["source"], poses["n_frames"]) == ("text/sitting.npy", 24)
    assert poses["files"] == [
        "poses/sitting.npy", "poses/sitting.json", "poses/sitting-r2.npy", "poses/sitting-r2.json",
        "motions/sitting.npy", "motions/sitting_features.npy", "motions/sitting-r2.npy",
        "motions/sitting-r2_features.npy",
    ]  # fmt: skip
    assert (pictures["source"], pictures["files"]) == (
        "poses/sitting.npy",
        ["poses/sitting.png", "poses/sitting-r2.png"],
    )


def test_a_caption_in_another_script_is_ruled_out_in_each_stage(tmp_path: Path) -> None:
    assert {entries(tmp_path, stage)["他在走路"]["error"][0] for stage in range(3)} == {"non_latin"}
    assert "error" not in entries(tmp_path, 0, allow_non_latin=True)["他在走路"]


def test_a_pose_is_asked_for_by_its_name(tmp_path: Path) -> None:
    render = pose_stages(config(tmp_path, repeats=2), "tenk")[2]
    assert (key_of_pose(render, "waving"), key_of_pose(render, "waving-r2")) == ("waving", "waving")
    with pytest.raises(PlanningError, match=r"no caption of the list has a pose named 'waving-r3'; index\.csv"):
        key_of_pose(render, "waving-r3")


def test_previews_are_those_of_poses_that_the_list_gives(tmp_path: Path) -> None:
    asked = config(tmp_path, previews=["waving"])
    assert preview_files(asked, "tenk") == ["previews/waving_views.png", "previews/waving_turntable.webp"]
    moving = config(tmp_path, previews=["waving-r2"], repeats=2, save_motion=True)
    assert "previews/waving-r2_motion.webp" in preview_files(moving, "tenk")
    with pytest.raises(ConfigError, match="previews: no pose is named 'wave'"):
        preview_files(config(tmp_path, previews=["wave"]), "tenk")
