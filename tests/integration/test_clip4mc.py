"""CLIP4MC through the `snakemake` command: bad input, and what a user asks of a run."""

import base64
import csv
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.shared.safe_pickle import loads
from tests.snakemake_run import Workplace, contents, make_clip, marks, remade

BAD_CLIPS = {
    "folder": "not_a_file",
    "pipe": "not_a_file",
    "empty": "empty_file",
    "page": "not_a_video",
    "playlist": "not_a_video",
    "missing": "not_found",
    "truncated": "truncated",
}
BAD_PAIRS: dict[str, dict[str, Any]] = {
    "bad_vid": {"vid": "../../x"},
    "bad_caption": {"transcript": 5},
    "bad_size": {"size": [0.5, float("nan")]},
    "bad_clip_path": {"clip_path": ""},
}


def make_bad_clip(kind: str, path: Path) -> None:
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "empty":
        path.touch()
    elif kind == "page":
        path.write_text("<!DOCTYPE html><html><body>Video unavailable</body></html>")
    elif kind == "playlist":
        path.write_text("#EXTM3U\n#EXTINF:1,\nclip0.mp4\n")
    elif kind == "truncated":
        make_clip(path, seed=7, n_frames=60)
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def failures(here: Workplace) -> dict[str, dict[str, str]]:
    with (here.dataset / "failures.csv").open(newline="") as file:
        return {row["key"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A finished tree of five samples."""
    here = Workplace.create(tmp_path_factory.mktemp("finished") / "place", 5)
    here.make()
    return here


@pytest.fixture
def place(finished: Workplace, tmp_path: Path) -> Workplace:
    return finished.copy(tmp_path / "place")


def test_bad_clips_and_pairs_are_listed_with_their_reason_and_stop_no_other(tmp_path: Path) -> None:
    here = Workplace.create(tmp_path / "place", 2, shard_size=50)
    for number, kind in enumerate(BAD_CLIPS, start=10):
        make_bad_clip(kind, here.clip(number))
        here.pairs.append(here.pair(number))
    for number, changes in enumerate(BAD_PAIRS.values(), start=30):
        here.pairs.append(here.pair(number) | {"clip_path": "clip0.mp4"} | changes)
    here.pairs.append("no object")  # type: ignore[arg-type]
    here.pairs.append(here.pair(1) | {"index": 99})
    here.save()
    here.make()
    rows = failures(here)
    assert here.listed() == [0, 1, 99]
    errors = [row["error"] for row in rows.values()]
    assert errors == [*BAD_CLIPS.values(), *BAD_PAIRS, "bad_pair"]
    assert rows["sample_000010_v10"]["source"] == "clip10.mp4"
    assert all(row["message"] for row in rows.values())
    assert "sample_000009_invalid" in rows  # the pair whose id cannot name a folder, by its place in the list
    assert not list(here.folder.parent.glob("x*"))
    assert sorted(path.name for path in here.dataset.glob("sample_*")) == [
        "sample_000000_v0",
        "sample_000001_v1",
        "sample_000099_v1",
    ]
    assert here.make().nothing_to_do
    # One is mended: it alone is made.
    before = marks(here.dataset)
    here.clip(12).unlink()
    make_clip(here.clip(12), seed=12)
    here.make()
    assert remade(before, marks(here.dataset)) == {12}
    assert here.listed() == [0, 1, 12, 99]


def test_too_many_failures_close_the_gate_and_name_the_commonest(tmp_path: Path) -> None:
    here = Workplace.create(tmp_path / "place", 18, shard_size=50)
    here.pairs += [here.pair(number) for number in range(18, 20)]
    here.save()
    ran = here.run()
    assert ran.code == 1
    assert "2 of 20 samples failed, more than max_failed_fraction = 0.05: not_found (2)" in ran.text
    assert here.listed() == list(range(18))
    here.top["max_failed_fraction"] = 0.2
    here.save()
    here.make()


def test_the_size_split_channel_and_frame_settings_reach_the_files(tmp_path: Path) -> None:
    here = Workplace.create(
        tmp_path / "place", 3, num_frames=4, frame_height=24, channel_order="bgr", split_mode="all_test"
    )
    here.pairs[0]["size"] = [0.0, 1]
    here.save()
    here.make()
    assert loads((here.sample(0) / "video_input.pkl").read_bytes()).shape == (4, 24, 16, 3)
    assert json.loads((here.sample(0) / "size.json").read_text()) == [0.0, 1.0, 1.0, 1.0]
    assert [len(members) for members in here.index().values()] == [0, 0, 3]


def test_the_opencv_decoder_and_the_cv2_scaler_make_the_same_picture_of_an_easy_clip(place: Workplace) -> None:
    place.options |= {"scaler": "cv2"}
    place.save()
    place.make()
    exact = contents(place.dataset)
    place.options |= {"decoder": "opencv"}
    place.save()
    place.make()
    sought = contents(place.dataset)
    videos = [name for name in exact if name.endswith("video_input.pkl")]
    assert [sought[name] for name in videos] == [exact[name] for name in videos]


def test_one_sample_is_made_by_its_path_and_left_alone_when_it_is_current(place: Workplace) -> None:
    target = "results/clip4mc/train/sample_000003_v3/video_input.pkl"
    before = contents(place.dataset)
    assert place.make(target).nothing_to_do
    (place.folder / target).unlink()
    marked = marks(place.dataset)
    place.make(target)
    assert remade(marked, marks(place.dataset)) == {3}
    assert contents(place.dataset) == before
    assert place.make(target).nothing_to_do
    # Its shard is counted again, because a sample may come out otherwise than before; nothing is made.
    marked = marks(place.dataset)
    place.make()
    assert remade(marked, marks(place.dataset)) == set()
    assert place.make().nothing_to_do


def test_one_sample_survives_being_forced_and_losing_its_plans(place: Workplace) -> None:
    target = "results/clip4mc/train/sample_000003_v3/video_input.pkl"
    before = contents(place.dataset)
    for arguments in ([target, "--force"], [target, "--force"], ["all_clip4mc"], [target, "--force"]):
        place.make(*arguments)
        assert contents(place.dataset) == before
    shutil.rmtree(place.folder / "work")
    place.make(target)
    place.make(target, "--force")
    place.clip(3).rename(place.folder / "away.mp4")
    assert place.make(target).nothing_to_do
    place.make("all_clip4mc", "--config", "sources_gone=ok")
    assert contents(place.dataset) == before


def test_one_sample_that_cannot_be_made_says_why(place: Workplace) -> None:
    place.clip(3).write_text("<html>")
    ran = place.run("results/clip4mc/train/sample_000003_v3/size.json")
    assert ran.code != 0
    assert "sample_000003_v3 cannot be made: not_a_video: clip3.mp4" in ran.text


def test_a_sample_that_the_list_does_not_have_is_an_error_that_says_so(place: Workplace) -> None:
    ran = place.run("results/clip4mc/train/sample_000033_v3/video_input.pkl")
    assert ran.code != 0
    assert "sample_000033_v3 is not among the 5 samples of its list" in ran.text


def test_a_selection_shrinks_and_grows_the_index_and_makes_nothing_twice(place: Workplace) -> None:
    before = marks(place.dataset)
    place.options["select"] = "first:2"
    place.save()
    place.make()
    assert place.listed() == [0, 1]
    (place.folder / "names.txt").write_text("sample_000004_v4\nsample_000000_v0\n")
    place.options["select"] = "file:names.txt"
    place.save()
    place.make()
    assert place.listed() == [0, 4]
    place.options |= {"select": "all", "max_samples": 3}
    place.save()
    place.make()
    assert len(place.listed()) == 3
    place.options["max_samples"] = 0
    place.save()
    place.make()
    assert place.listed() == [0, 1, 2, 3, 4]
    assert remade(before, marks(place.dataset)) == set()


def test_results_may_lie_elsewhere_behind_a_link_and_move_without_being_made_again(place: Workplace) -> None:
    linked, elsewhere = place.dataset, place.folder / "ssd" / "train"
    place.options["output_dir"] = "ssd/train"
    place.save()
    ran = place.run()
    assert ran.code != 0
    assert "holds samples already: move that folder there" in ran.text
    elsewhere.parent.mkdir()
    linked.rename(elsewhere)
    before = marks(elsewhere)
    place.make()
    assert linked.is_symlink()
    assert remade(before, marks(elsewhere)) == set()
    assert place.listed() == [0, 1, 2, 3, 4]
    assert place.make().nothing_to_do


def test_several_datasets_merge_into_one_file(place: Workplace) -> None:
    config = yaml.safe_load((place.folder / "config.yaml").read_text())
    clip4mc = config["clip4mc"]
    clip4mc["datasets"]["test-2"] = {"pairs": "pairs.json", "clips_dir": "clips", "select": "first:1"}
    clip4mc["merge"] = {"train": "train", "test": ["test-2"], "val_from_train": 1}
    (place.folder / "config.yaml").write_text(yaml.safe_dump(config))
    place.make()
    lists = json.loads((place.folder / "results/clip4mc/dataset_info.json").read_text())
    assert [len(lists[split]) for split in ("train", "val", "test")] == [4, 1, 1]
    assert lists["test"] == [str(place.folder / "results/clip4mc/test-2/sample_000000_v0")]
    assert place.make().nothing_to_do


def test_figures_show_what_is_made_follow_its_changes_and_are_gathered_in_a_report(place: Workplace) -> None:
    before = marks(place.dataset)
    place.options["figures"] = True
    place.save()
    place.make()
    assert remade(before, marks(place.dataset)) == set()
    figures = {path.stem: path for path in (place.dataset / "figures").iterdir()}
    assert set(figures) == {"contact_sheet", "sources", "failures_by_class", "throughput"}
    drawn = {name: path.read_bytes() for name, path in figures.items()}
    assert place.make().nothing_to_do
    place.clip(2).write_text("<html>")
    place.make()
    redrawn = {name: path.read_bytes() for name, path in figures.items()}
    assert [name for name in drawn if redrawn[name] == drawn[name]] == []
    place.make("--report", "report.html")
    report = (place.folder / "report.html").read_text(encoding="utf-8")
    assert "Samples of train that ended a second" in report
    assert all(base64.b64encode(content).decode() in report for content in redrawn.values())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"clips_dir": "no/such"}, "clips_dir is no/such, which is no folder"),
        ({"pairs": "none.json"}, "none.json: No such file or directory"),
        ({"num_frame": 4}, "config.yaml: clip4mc.datasets.train: no option 'num_frame'; did you mean 'num_frames'"),
        ({"tokenizer": "no/such"}, "tokenizer: no/such is no folder"),
        ({"select": "file:none.txt"}, "none.txt"),
    ],
)
def test_a_wrong_configuration_is_named_before_any_work(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    here = Workplace.create(tmp_path / "place", 1, **change)
    ran = here.run()
    assert ran.code != 0
    assert says in ran.text
    assert "Traceback (most recent call last)" not in ran.text
    assert not (here.dataset / "dataset_info.json").exists()


def test_a_merge_of_a_dataset_that_does_not_exist_is_named(place: Workplace) -> None:
    config = yaml.safe_load((place.folder / "config.yaml").read_text())
    config["clip4mc"]["merge"] = {"train": "tarin"}
    (place.folder / "config.yaml").write_text(yaml.safe_dump(config))
    ran = place.run()
    assert ran.code != 0
    assert "clip4mc.merge: no dataset 'tarin'; there are train" in ran.text


def test_no_dataset_is_an_empty_target_that_says_so(tmp_path: Path) -> None:
    here = Workplace.create(tmp_path / "place", 1)
    (here.folder / "config.yaml").write_text("clip4mc: {}\n")
    assert "the configuration names no dataset" in here.make().text


def test_modules_in_the_folder_of_a_run_are_not_taken_for_those_of_its_jobs(tmp_path: Path) -> None:
    here = Workplace.create(tmp_path / "place", 1)
    (here.folder / "random.py").write_text("raise RuntimeError('not this one')\n")
    here.make()


def test_both_names_of_the_target_work_and_all_means_it_too(place: Workplace) -> None:
    for name in ("clip4mc_all", "all"):
        shutil.rmtree(place.work / "gate")
        place.make(name)
        assert (place.work / "gate" / "passed.json").exists()
