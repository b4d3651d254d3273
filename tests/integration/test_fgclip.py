"""The anomaly detector through the `snakemake` command: the proof that it learns, and what a change makes again.

The demo on real footage is run by `test_readme.py`.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.fgclip.proof import gates
from scripts.fgclip.scoring.score_files import read_scores
from tests.fgclip_place import FgclipPlace
from tests.snakemake_run import contents, everything, finish, kill_after_checkpoint, leftovers

pytestmark = pytest.mark.timeout(900)

LONG_S = 850  # beside other tests; alone the whole command takes one minute
STEPS = 120  # of the short form; `make bench` takes 160, of three seeds
TARGETS = [
    f"fgclip_{name}" for name in ("validate", "translate", "train", "score", "eval", "heatmaps", "compare", "all")
]


@pytest.fixture
def small(tmp_path: Path) -> FgclipPlace:
    """A few clips, a run of a few steps, and nothing made."""
    run = {"max_steps": 4, "batch_size": 4, "save_steps": 2, "num_frames": 4}
    return FgclipPlace.create(tmp_path / "small", n_train=8, n_test=4, short=run)


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_proof_learns_when_and_where_and_later_changes_cost_what_they_touch(tmp_path: Path) -> None:
    """One place and one training for all of it: the training takes half a minute."""
    here = FgclipPlace.create(tmp_path / "place", n_train=256, n_test=48, proof={"max_steps": STEPS})
    here.options |= {"calibration_videos": 20, "shard_size": 200}
    here.save()
    here.make(timeout_s=LONG_S)
    assert gates.check(here.metrics("proof")) == []
    assert gates.check(here.metrics("proof.init")) != []
    check_shown(here)
    check_again(here)
    models = everything(here.results / "runs")
    check_lost_score(here)
    check_stride(here)
    assert everything(here.results / "runs") == models
    check_verified(here)
    check_pruned(here)


def check_shown(here: FgclipPlace) -> None:
    """All that a user looks at is there."""
    run = here.run_folder("proof")
    log = (run / "trainer_log.txt").read_text(encoding="utf-8").splitlines()
    assert "2.7726" in log[0]  # ln(16), the chance of a batch
    assert any(line.startswith("Training Epoch 1/") for line in log)
    assert sum("'loss_global'" in line for line in log) >= STEPS // 5
    for file in ("run.json", "train_log.json", "training_start.log", "figures/training.png", "model/config.json"):
        assert (run / file).is_file(), file
    for file in ("heatmaps/proof.html", "comparison/comparison.html", "comparison/comparison.csv", "validation.html"):
        assert (here.dataset / file).is_file(), file
    assert len(list((here.dataset / "heatmaps" / "proof").glob("*.png"))) >= 4
    assert leftovers(here.folder) == []


def check_again(here: FgclipPlace) -> None:
    """The same command finds nothing to do, and a plan writes nothing."""
    assert here.run().nothing_to_do
    before = everything(here.folder / "results"), everything(here.folder / "work")
    # This configuration translates nothing; such a target always "runs".
    assert set(here.planned(*TARGETS)) - {"fgclip_all"} == {"fgclip_translate"}
    assert (everything(here.folder / "results"), everything(here.folder / "work")) == before


def check_lost_score(here: FgclipPlace) -> None:
    """It alone is made again, with the same bytes."""
    lost, other = sorted((here.dataset / "scores" / "proof").glob("*.npz"))[:2]
    kept, untouched = lost.read_bytes(), other.stat().st_mtime_ns
    lost.unlink()
    here.make("fgclip_score", timeout_s=LONG_S)
    assert lost.read_bytes() == kept
    assert other.stat().st_mtime_ns == untouched


def check_stride(here: FgclipPlace) -> None:
    """Another stride costs scores and no training."""
    here.options["stride"] = 4
    here.save()
    plan = here.planned()
    assert len(plan["fgclip_score_shard"]) == 4  # two models, two shards
    assert not {"fgclip_train_run", "fgclip_init", "fgclip_validate_lists"} & set(plan)
    here.make("fgclip_score", timeout_s=LONG_S)
    scores = read_scores(min((here.dataset / "scores" / "proof").glob("*.npz")))
    assert np.array_equal(scores.frames, np.arange(0, scores.n_frames, 4))


def check_verified(here: FgclipPlace) -> None:
    """Sound results pass; damage in scores and models is found and named."""
    here.make("fgclip_verify", timeout_s=LONG_S)
    report = read(here.dataset / "verification.json")
    assert (report["problems"], set(report["stages"])) == ({}, {"videos", "scores.proof.init", "scores.proof"})
    score = min((here.dataset / "scores" / "proof").glob("*.npz"))
    weights = here.run_folder("proof") / "model" / "model.safetensors"
    whole = {path: path.read_bytes() for path in (score, weights)}
    for path, content in whole.items():
        with path.open("r+b") as file:  # in place: a folder's time of change stays
            file.seek(len(content) - 4)
            file.write(b"1234")
    broken = here.run("fgclip_verify", "--keep-going", timeout_s=LONG_S)
    assert broken.code == 1
    assert "file_damaged" in read(here.dataset / "verification.json")["problems"]
    assert "model.safetensors" in broken.text
    for path, content in whole.items():
        path.write_bytes(content)


def check_pruned(here: FgclipPlace) -> None:
    """What the lists no longer want goes, from every stage."""
    test_list = here.folder / here.options["test"]
    *others, last = test_list.read_text().splitlines(keepends=True)
    test_list.write_text("".join(others))
    key = last.split()[0].removesuffix(".mp4")
    files = [here.dataset / f"videos/{key}.json", *here.dataset.glob(f"scores/*/{key}.npz")]
    assert len(files) == 3
    here.make("fgclip_prune", timeout_s=LONG_S)
    assert not any(file.exists() for file in files)


@pytest.mark.slow
def test_another_model_is_scored_anew_and_the_one_before_it_is_not(small: FgclipPlace) -> None:
    small.make("fgclip_score", timeout_s=LONG_S)
    assert small.run("fgclip_score").nothing_to_do
    before = contents(small.dataset / "scores", (".lock",))
    small.runs["short"]["max_steps"] = 6
    small.save()
    small.make("fgclip_score", timeout_s=LONG_S)
    after = contents(small.dataset / "scores", (".lock",))
    changed = {path.partition("/")[0] for path in before if before[path] != after[path]}
    assert changed == {"short"}
    assert small.run("fgclip_score").nothing_to_do


@pytest.mark.slow
def test_a_command_killed_in_the_middle_of_a_training_goes_on_to_the_same_bytes(small: FgclipPlace) -> None:
    target = "results/fgclip/runs/short/model"
    model = small.run_folder("short") / "model"
    small.make(target, timeout_s=LONG_S)
    undisturbed = {path.name: path.read_bytes() for path in model.iterdir() if path.is_file()}
    shutil.rmtree(small.run_folder("short"))
    (small.folder / "sitecustomize.py").write_text(kill_after_checkpoint("fgclip", "step_2.pt"))
    killed = finish(small.start(target, "--nolock", environment={"PYTHONPATH": str(small.folder)}), LONG_S)
    assert killed.code == -9, killed.text
    assert not model.exists()
    small.make(target, timeout_s=LONG_S)
    assert read(small.run_folder("short") / "run.json")["attempts"][-1]["from_step"] == 2
    assert {path.name: path.read_bytes() for path in model.iterdir() if path.is_file()} == undisturbed


def test_what_is_wrong_with_the_lists_is_said_before_anything_is_trained(small: FgclipPlace) -> None:
    annotation = small.folder / small.options["test"]
    good = annotation.read_text()
    for row, message in (
        ("RedSquare900.mp4 RedSquare 1 5 -1\n", "5 fields"),
        (good.splitlines()[0] + "\n", "stands in line 1"),
    ):
        annotation.write_text(good + row)
        told = small.run("-n")
        assert told.code == 1
        assert message in told.text
        assert "Traceback (most recent call last)" not in told.text
    train = read(small.folder / small.options["train"])
    annotation.write_text(good + f"{Path(train[0]['f_path']).name}  RedSquare  1  5  -1  -1  \n")
    leak = small.run("-n")
    assert leak.code == 1
    assert "training list" in leak.text
    assert not small.results.exists()


def test_a_missing_and_a_damaged_video_cost_their_rows_and_a_test_video_the_evaluation(small: FgclipPlace) -> None:
    train = read(small.folder / small.options["train"])
    videos = small.folder / small.options["videos"]
    (videos / Path(train[0]["f_path"]).name).unlink()
    (videos / Path(train[1]["f_path"]).name).write_bytes(b"no video")
    (videos / (small.folder / small.options["test"]).read_text().split()[0]).unlink()
    ran = small.run("fgclip_eval", "--keep-going", timeout_s=LONG_S)
    assert ran.code == 1
    rows = (small.dataset / "failures.csv").read_text(encoding="utf-8")
    assert "missing_video" in rows
    assert "not_a_video" in rows
    assert "allow_missing" in ran.text
    small.options["allow_missing"] = True
    small.save()
    small.make("fgclip_eval", timeout_s=LONG_S)
    assert "3 of 4 videos" in small.metrics("short")["title"]


@pytest.mark.slow
def test_with_a_frozen_backbone_the_head_learns_from_features_that_two_runs_share(small: FgclipPlace) -> None:
    small.runs["short"]["finetune"] = "none"
    small.runs["longer"] = small.runs["short"] | {"max_steps": 6}
    small.save()
    small.make("fgclip_train", timeout_s=LONG_S)
    (folder,) = (small.dataset / "features").iterdir()
    assert len(list(folder.glob("*.npz"))) == 8
    runs = [small.run_folder(run) for run in ("short", "longer")]
    assert len({(run / "init" / "model.safetensors").read_bytes() for run in runs}) == 1
    assert len({(run / "model" / "video_head.safetensors").read_bytes() for run in runs}) == 2
    assert [read(run / "run.json")["unreadable_items"] for run in runs] == [[], []]


@pytest.mark.slow
def test_captions_that_were_shuffled_teach_nothing(tmp_path: Path) -> None:
    runs = {"proof": {"max_steps": STEPS}, "shuffled": {"max_steps": STEPS, "shuffle_captions": True}}
    here = FgclipPlace.create(tmp_path / "place", n_train=256, n_test=48, **runs)
    here.make("fgclip_eval", timeout_s=LONG_S)
    assert gates.check(here.metrics("proof"), here.metrics("shuffled")) == []
