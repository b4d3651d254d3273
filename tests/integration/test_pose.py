"""The pose system through the `snakemake` command: what a user asks of a run, on a small MARDM of random weights."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from scripts.pose.pose_files import read_array
from tests.pose_place import PosePlace
from tests.snakemake_run import contents, everything, leftovers

CAPTIONS = [
    "A person waving",
    "A person arching back",
    "A person arching/back",
    "a man walks forward, then turns around.#24",
    "A person \U0001f600 smiling",
    "他在走路",
    "A person arching back",
    "A person " + "very " * 100 + "tired",
]
NAMES = {"waving", "arching_back", "archingback", "a_man_walks_forward,_then_turns_around.", "\U0001f600_smiling"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> PosePlace:
    """A finished list: six captions with poses, one of them long, and one that cannot have any."""
    here = PosePlace.create(tmp_path_factory.mktemp("finished") / "place", CAPTIONS)
    here.make()
    return here


@pytest.fixture
def place(finished: PosePlace, tmp_path: Path) -> PosePlace:
    return finished.copy(tmp_path / "place")


def marks(here: PosePlace) -> dict[str, tuple[int, int]]:
    files = [path for folder in ("text", "poses", "motions") for path in (here.dataset / folder).glob("*")]
    return {
        path.name if path.parent.name == "poses" else str(path.relative_to(here.dataset)): _mark(path) for path in files
    }


def _mark(path: Path) -> tuple[int, int]:
    return path.stat().st_mtime_ns, path.stat().st_ino


def remade(here: PosePlace, before: dict[str, tuple[int, int]]) -> set[str]:
    return {name for name, mark in marks(here).items() if before.get(name) != mark}


def rows(here: PosePlace) -> list[dict[str, str]]:
    with (here.dataset / "index.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_caption_has_its_three_files_or_its_reason(finished: PosePlace) -> None:
    listed = rows(finished)
    made = {row["name"] for row in listed if row["status"] == "ok"}
    assert [row["caption"] for row in listed] == [line.partition("#")[0] for line in dict.fromkeys(CAPTIONS)]
    assert made > NAMES
    assert len(made) == 6
    assert {path.name for path in (finished.dataset / "poses").iterdir()} == {
        f"{name}.{suffix}" for name in made for suffix in ("npy", "json", "png")
    }
    for row in listed:
        if row["status"] == "ok":
            joints = np.load(finished.pose(row["name"], "npy"))
            told = json.loads(finished.pose(row["name"], "json").read_text(encoding="utf-8"))
            assert (joints.dtype, joints.shape) == (np.float32, (22, 3))
            assert np.array_equal(np.array(told["joints"], np.float32), joints)
            assert (told["caption"], told["num_joints"]) == (row["caption"], 22)
            assert (row["frames"], row["frame"]) == (("24", "12") if "walks" in row["name"] else ("16", "8"))
    assert [row["cut"] for row in listed if row["name"].startswith("very")] == ["true"]
    with (finished.dataset / "failures.csv").open(encoding="utf-8", newline="") as file:
        assert {row["key"]: row["error"] for row in csv.DictReader(file)} == {"他在走路": "non_latin"}


def test_a_finished_list_plans_to_nothing_and_a_plan_writes_nothing(finished: PosePlace) -> None:
    before = everything(finished.folder / "results"), everything(finished.folder / "work")
    ran = finished.run("-n")
    assert ran.nothing_to_do
    assert "1 more in the list, which repeat a caption" in ran.text
    assert (everything(finished.folder / "results"), everything(finished.folder / "work")) == before
    assert leftovers(finished.folder) == []


def test_a_lost_picture_is_drawn_and_a_lost_pose_is_made_and_nothing_else(place: PosePlace) -> None:
    before, whole = marks(place), contents(place.dataset / "poses", ())
    place.pose("waving", "png").unlink()
    place.make()
    assert remade(place, before) == {"waving.png"}
    place.pose("arching_back", "npy").unlink()
    place.make()
    # A pose's two files are made together, to the same bytes, so that its picture is still the right one.
    assert remade(place, before) == {"waving.png", "arching_back.npy", "arching_back.json"}
    assert contents(place.dataset / "poses", ()) == whole


def test_cfg_makes_all_poses_again_batch_size_none_and_more_captions_the_new_ones(place: PosePlace) -> None:
    before = marks(place)
    place.options |= {"batch_size": 3, "workers": 2}
    place.save()
    place.make()
    assert remade(place, before) == set()
    place.options["workers"] = 1
    place.save()
    place.write([*CAPTIONS, "A person jumping", "A person jumping!"])
    place.make()
    assert remade(place, before) == {
        *(f"{name}.{suffix}" for name in ("jumping", "jumping!") for suffix in ("npy", "json", "png")),
        "text/jumping.npy",
        "text/jumping!.npy",
    }
    before = marks(place)
    place.options["cfg"] = 2.0
    place.save()
    place.make()
    assert remade(place, before) == {name for name in before if not name.startswith("text/")}


def test_the_bytes_depend_on_neither_order_shards_nor_workers(place: PosePlace, tmp_path: Path) -> None:
    again = PosePlace(tmp_path / "again", {**place.options, "workers": 2, "shard_size": 5})
    again.folder.mkdir()
    for name in ("checkpoints", "datasets", "clip", "profiles"):
        (again.folder / name).symlink_to(place.folder / name)
    # Two more captions than there, in another order; colliding names keep their order.
    again.write(
        ["A person kneeling", *reversed([line for line in CAPTIONS if "arching" not in line]), *CAPTIONS, "No#28"]
    )
    again.save()
    again.make()
    ours, theirs = (contents(here.dataset / "poses", ()) for here in (place, again))
    assert {name: theirs.get(name) for name in ours} == ours
    assert len(theirs) == len(ours) + 6


def test_poses_are_made_by_their_paths(place: PosePlace) -> None:
    before, whole = marks(place), contents(place.dataset, (".state", "figures"))
    for path in (place.pose("waving", "npy"), place.pose("waving", "png"), place.dataset / "text/waving.npy"):
        path.unlink()
    place.pose("arching_back", "png").unlink()
    place.make(*(f"results/pose/tenk/poses/{name}.png" for name in ("waving", "arching_back")))
    waving = {"waving.npy", "waving.json", "waving.png", "text/waving.npy"}
    assert remade(place, before) == {*waving, "arching_back.png"}
    assert contents(place.dataset, (".state", "figures")) == whole
    absent = place.run("results/pose/tenk/poses/flying.png")
    assert "no caption of the list has a pose named 'flying'" in absent.text


def test_one_caption_of_the_command_line_has_its_pose(place: PosePlace) -> None:
    place.make("pose_one", "--config", "caption=A person bowing")
    made = place.folder / "results/pose/one/poses"
    assert {path.name for path in made.iterdir()} == {"bowing.npy", "bowing.json", "bowing.png"}
    assert "pose_one needs a caption" in place.run("pose_one").text


def test_repeats_motions_and_previews(tmp_path: Path) -> None:
    options = {
        "repeats": 2,
        "save_motion": True,
        "previews": ["waving-r2"],
        "solver": "rk4",
        "solver_steps": 2,
        "figures": True,
    }
    here = PosePlace.create(tmp_path / "place", ["A person waving", "A person sitting"], **options)
    here.make()
    first, second = (np.load(here.pose(name, "npy")) for name in ("waving", "waving-r2"))
    assert not np.array_equal(first, second)
    motion = read_array((here.dataset / "motions/waving-r2.npy").read_bytes(), "")
    assert motion.shape == (16, 22, 3)
    assert np.array_equal(motion[8], second)
    assert (here.dataset / "motions/waving-r2_features.npy").is_file()
    previews = {path.name for path in (here.dataset / "previews").iterdir()}
    assert previews == {f"waving-r2_{what}" for what in ("views.png", "turntable.webp", "motion.webp")}
    assert (here.dataset / "figures/pose_contact_sheet.png").is_file()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sequence_length": 15}, "sequence_length: 15 is not a multiple of 4"),
        ({"frame_index": 99}, "99 is beyond the 16 frames"),
        ({"captions": "empty.txt"}, "empty.txt: no caption in it"),
        ({"model": "ddpm"}, "set model: sit"),
    ],
)
def test_what_cannot_be_is_said_before_any_work(place: PosePlace, change: dict[str, object], says: str) -> None:
    (place.folder / "empty.txt").touch()
    place.options |= change
    place.save()
    ran = place.run()
    assert ran.code != 0
    assert says in ran.text
    assert "Traceback (most recent" not in ran.text
