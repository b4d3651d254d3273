"""Bad input of the pose system, through the `snakemake` command: odd captions, NaN, no memory, no disk."""

import csv
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml

from scripts.shared.ledger import read_shard
from tests.faults.test_disks import small_disk as small_disk
from tests.faults.test_pose_kills import assert_as_if_undisturbed, fault, run_with
from tests.odd_captions import ODD_CAPTIONS
from tests.pose_models import SMALL_TEXT
from tests.pose_place import PosePlace
from tests.snakemake_run import contents, leftovers

ALL_KINDS = next(name for name in ODD_CAPTIONS.values() if "$HOME" in name)
CHINESE = "\u8d70" * 200
# Loaded by the workers that make poses: a card that has room for eight motions.
SMALL_CARD = """
import sys
if "scripts.pose.batches:make_poses" in sys.orig_argv:
    import torch
    from scripts.pose.sampling.generation import LatentGenerator
    whole = LatentGenerator.__call__
    def call(self, text, noise):
        if self.rows > 8:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")
        return whole(self, text, noise)
    LatentGenerator.__call__ = call
"""


@pytest.fixture
def place(finished_poses: PosePlace, tmp_path: Path) -> PosePlace:
    return finished_poses.copy(tmp_path / "place")


def rows(here: PosePlace, file: str) -> list[dict[str, str]]:
    with (here.dataset / file).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def failed(here: PosePlace) -> dict[str, str]:
    """Class of the failure by key."""
    return {row["key"]: row["error"] for row in rows(here, "failures.csv")}


def names(here: PosePlace) -> dict[str, str]:
    return {row["caption"]: row["name"] for row in rows(here, "index.csv")}


def test_odd_captions_have_their_three_files_and_nothing_lies_elsewhere(finished_poses: PosePlace) -> None:
    listed = rows(finished_poses, "index.csv")
    assert [row["caption"] for row in listed] == [*ODD_CAPTIONS, "a person bows"]
    for row in listed[:-1]:
        wanted = ODD_CAPTIONS[row["caption"]]
        assert row["status"] == ("ok" if wanted else "failed")
        if wanted.endswith("-"):
            assert row["name"].startswith(wanted)
            assert len(row["name"]) == len(wanted) + 8
        elif wanted:
            assert row["name"] == wanted
        assert row["cut"] == ("" if not wanted else str(row["caption"][:5] in ("very ", CHINESE[:5])).lower())
    made = {row["name"] for row in listed if row["status"] == "ok"}
    assert len(made) == len(ODD_CAPTIONS)
    below = {path.parent.name: set() for path in finished_poses.dataset.glob("*/*")}
    for path in finished_poses.dataset.glob("*/*"):
        below[path.parent.name].add(path.name)
    assert below["text"] == {f"{name}.npy" for name in made}
    assert below["poses"] == {f"{name}.{suffix}" for name in made for suffix in ("npy", "json", "png")}
    assert set(below) == {"text", "poses", "figures", ".state"}
    assert list(failed(finished_poses).values()) == ["bad_characters"]
    for row in listed:
        if row["status"] == "ok":
            told = json.loads(finished_poses.pose(row["name"], "json").read_text(encoding="utf-8"))
            assert told["caption"] == row["caption"]


@pytest.mark.parametrize("lost", [["png"], pytest.param(["png", "json", "npy"], marks=pytest.mark.slow)])
def test_a_pose_with_an_odd_name_is_made_by_its_path(lost: list[str], place: PosePlace) -> None:
    before = contents(place.dataset)
    for suffix in lost:
        place.pose(ALL_KINDS, suffix).unlink()
    place.make(f"results/pose/tenk/poses/{ALL_KINDS}.png")
    assert contents(place.dataset) == before


def test_checkpoints_that_are_to_be_converted_again_hide_no_other_work(finished_poses: PosePlace) -> None:
    config = yaml.safe_load((finished_poses.folder / "config.yaml").read_text())
    config["pose"]["datasets"]["tenk"]["cfg"] = 2.0
    (finished_poses.folder / "other.yaml").write_text(yaml.safe_dump(config))
    checkpoint = finished_poses.folder / "checkpoints/t2m/AE/model/latest.tar"
    before = checkpoint.stat()
    checkpoint.touch()
    try:
        planned = finished_poses.run("-n", "--configfile", "other.yaml").text
    finally:
        os.utime(checkpoint, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "rule pose_convert" in planned
    assert "rule pose_generate_shard" in planned
    assert "rule pose_text_shard" not in planned


def test_nan_memory_and_a_caption_that_is_ruled_out_cost_their_captions_and_no_other(
    place: PosePlace, tmp_path: Path
) -> None:
    before = contents(place.dataset / "poses")
    known = names(place)
    # A vector as large as numbers go: of such a one the model makes NaN.
    np.save(place.dataset / "text" / "waving.npy", np.full(SMALL_TEXT, 3e38, np.float32))
    again = ["waving", ALL_KINDS, known["../../etc/passwd"]]
    for name in again:
        place.pose(name, "npy").unlink()
    place.options["allow_non_latin"] = False
    place.save()
    (tmp_path / "card").mkdir()
    (tmp_path / "card" / "sitecustomize.py").write_text(SMALL_CARD)
    ran = place.run(environment={"PYTHONPATH": str(tmp_path / "card")}, cores=1)
    assert ran.code == 0, ran.text
    assert "32 motions of 4 tokens are too many at once (CUDA out of memory." in ran.text
    chinese = known[CHINESE]
    assert failed(place) == {"waving": "not_finite", known["a person \0 falls"]: "bad_characters", chinese: "non_latin"}
    ledger = read_shard(place.state / "generate" / "ledger", "00000").rows
    assert {ledger[name]["facts"].get("batch_rows") for name in again[1:]} == {8}
    after = contents(place.dataset / "poses")
    gone = {f"{name}.{suffix}" for name in ("waving", chinese) for suffix in ("npy", "json", "png")}
    assert before.keys() - after.keys() == gone
    changed = {name for name in after if after[name] != before[name]}  # their last bits at most: another shape of batch
    assert {name.rpartition(".")[0] for name in changed} <= set(again)
    assert not (place.dataset / "text" / f"{chinese}.npy").exists()
    assert leftovers(place.folder) == []


# A row, a flush or a rename in each stage and in between: the plans, the model, the index.
@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("below", ["", "text", "generate", "render"])
@pytest.mark.parametrize("at", [1, 4, 12])
def test_a_disk_that_is_full_at_any_moment_stops_with_a_word_and_the_run_goes_on_when_there_is_room(
    below: str, at: int, fresh_poses: PosePlace, finished_poses: PosePlace, tmp_path: Path
) -> None:
    here = fresh_poses.copy(tmp_path / "place")
    full = fault(here, "events", below=below, at=at if below else 8 * at, how="before", who="full")
    ran = run_with(here, [full])
    assert ran.code != 0
    assert "No space left on device" in ran.text
    assert "a defect of Polymill" not in ran.text
    assert "Traceback (most recent" not in ran.text, ran.text
    here.make()
    assert_as_if_undisturbed(here, finished_poses)


@pytest.mark.slow
def test_read_only_results_stop_with_a_word_and_lose_nothing(
    small_disk: Path, finished_poses: PosePlace, tmp_path: Path
) -> None:
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    here = finished_poses.copy(tmp_path / "place")
    (here.folder / "results").rename(here.folder / "old")
    subprocess.run(["cp", "-a", f"{here.folder}/old/.", str(small_disk)], check=True)
    (here.folder / "results").symlink_to(small_disk)
    here.options["cfg"] = 2.0
    here.save()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    ran = here.run()
    assert ran.code != 0
    assert "Read-only file system" in ran.text
    assert "Traceback (most recent" not in ran.text, ran.text
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    del here.options["cfg"]
    here.save()
    here.make()
    assert_as_if_undisturbed(here, finished_poses)


@pytest.mark.parametrize(
    ("caption", "says"),
    [
        ("Slowly:\u8d70, {x} 'on' it#24", "results/pose/one/poses/Slowly\u8d70,_x_'on'_it.png"),
        pytest.param("A person: waving", "no ': ' or ' #' in it", marks=pytest.mark.slow),
        pytest.param("24", "24 is no string", marks=pytest.mark.slow),
        pytest.param("", "is no string", marks=pytest.mark.slow),
        pytest.param("../..", "results/pose/one/poses/....-0cfd1c96.png", marks=pytest.mark.slow),
        pytest.param("-n", "results/pose/one/poses/-n.png", marks=pytest.mark.slow),
    ],
)
def test_an_odd_caption_of_the_command_line_is_planned_or_refused(
    caption: str, says: str, finished_poses: PosePlace
) -> None:
    ran = finished_poses.run("pose_one", "-n", "--config", f"caption={caption}")
    assert says in ran.text
    assert "Traceback" not in ran.text
