"""Chinese CLIP through the `snakemake` command: from a user's TSV to a comparison, and what a change makes again.

The demo, up to its verified package, is run by `test_readme.py`.
"""

import base64
import csv
import fcntl
import io
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.cnclip_place import STEPS, CnclipPlace, write_bert, write_clip
from tests.snakemake_run import contents, everything, finish, kill_after_checkpoint, leftovers

pytestmark = pytest.mark.timeout(900)

LONG_S = 850  # beside other tests; alone the whole command takes one minute
N_SAMPLES = 112 + 12 + 12 + 84 + 6 + 6  # pictures, then texts, of the three splits
TARGETS = [
    f"cnclip_{name}"
    for name in (
        *("data", "train", "distill", "prune", "eval", "zeroshot", "export", "export_mobile", "package", "demo", "all"),
    )
]


def write_teacher(here: CnclipPlace) -> Path:
    """Features of the training pictures, as of a teacher that cannot be loaded here."""
    rows = (here.folder / "shop" / "train_imgs.tsv").read_text().splitlines()
    ids = np.array([int(row.partition("\t")[0]) for row in rows], np.int64)
    features = np.random.default_rng(3407).normal(size=(len(ids), 24)).astype(np.float32)
    path = here.folder / "teacher.npz"
    np.savez(path, image_ids=ids, image_features=features)
    return path


def make_finished(folder: Path) -> CnclipPlace:
    """A finished command: fresh weights, towers of one's own with a stored teacher, and a multilingual text tower."""
    here = CnclipPlace.create(
        folder,
        plain={},
        taught={"init": {"vision": "clip", "text": "bert"}, "kd": {"name": "cos_interp", "teacher": "team"}},
        bilingual={
            "text_tower": "multilingual", "init": "plain", "encoder": "bert", "parallel": "shop/parallel.jsonl"
        },
    )  # fmt: skip
    write_clip(here.folder / "clip")
    write_bert(here.folder / "bert")
    write_teacher(here)
    here.options["languages"] = ["en"]
    here.cnclip = {
        "models": {"team": {"features": {"shop": "teacher.npz"}}},
        "compare": ["plain", "bilingual"],
    }
    here.save()
    here.make(timeout_s=LONG_S)
    return here


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> CnclipPlace:
    """The finished command, made once for all workers of pytest, each of which has a copy."""
    own = tmp_path_factory.mktemp("finished")
    shared = own.parents[1] / "cnclip_finished" if "PYTEST_XDIST_WORKER" in os.environ else own
    shared.mkdir(exist_ok=True)
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "made").exists():
            make_finished(shared / "place")
            (shared / "made").touch()
    return CnclipPlace.found(shared / "place").copy(own / "copy")


@pytest.fixture
def place(finished: CnclipPlace, tmp_path: Path) -> CnclipPlace:
    return finished.copy(tmp_path / "place")


def trained(plan: dict[str, set[str]]) -> set[str]:
    """The runs that would be trained."""
    rules = ("cnclip_train_run", "cnclip_train_multilingual")
    return {wildcards.removeprefix("run=") for rule in rules for wildcards in plan.get(rule, ())}


def rows(here: CnclipPlace) -> list[dict[str, str]]:
    with (here.results / "comparison" / "comparison.csv").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["source"] == "measured"]


def results(here: CnclipPlace) -> dict[str, str]:
    """Digest of every result, by path, but of those that tell times."""
    timed = re.compile(
        r"(runs/[^/]+/(run|attempts|progress|settings)\.json|.*/(out|params)_[^/]*|.*timings\.json|comparison/.*)"
    )
    found = contents(here.results, (".lock", ".snakemake_timestamp", "tensorboard"))
    return {path: digest for path, digest in found.items() if not timed.fullmatch(path)}


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_one_command_leads_from_tsv_to_the_comparison_of_three_kinds_of_training(finished: CnclipPlace) -> None:
    counts = read(finished.dataset / "summary.json")
    assert (counts["samples"], counts["failed"]) == (N_SAMPLES, 0)
    for run in finished.runs:
        record = read(finished.run_folder(run) / "run.json")
        assert (record["steps"], record["attempts"][0]["to_step"]) == (STEPS, STEPS)
    measured = {(row["model"], row["direction"], row["language"]) for row in rows(finished)}
    ways = {("t2i", ""), ("i2t", ""), ("t2i", "en")}
    assert measured == {(model, *way) for model in ("plain", "bilingual") for way in ways}
    assert (finished.evaluation("bilingual") / "figures" / "languages.png").is_file()


def test_the_same_command_again_finds_nothing_to_do_and_a_plan_writes_nothing(finished: CnclipPlace) -> None:
    before = everything(finished.folder / "results"), everything(finished.folder / "work")
    assert finished.run().nothing_to_do
    # This configuration has none of these; such targets always "run".
    empty = {"cnclip_prune", "cnclip_zeroshot", "cnclip_export", "cnclip_export_mobile", "cnclip_package"}
    bundle = {"cnclip_demo", "cnclip_demo_bundle"}
    assert set(finished.planned(*TARGETS)) - {"cnclip_all"} == empty | bundle
    assert (everything(finished.folder / "results"), everything(finished.folder / "work")) == before
    assert leftovers(finished.folder) == []


def test_a_new_picture_of_the_test_split_is_checked_and_nothing_is_trained_again(place: CnclipPlace) -> None:
    models = everything(place.results / "runs")
    picture = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(picture, "PNG")
    with (place.folder / "shop" / "test_imgs.tsv").open("a", encoding="utf-8") as file:
        file.write(f"99999\t{base64.b64encode(picture.getvalue()).decode()}\n")
        file.write("99998\tbm8gcGljdHVyZQ==\n")
    place.make(timeout_s=LONG_S)
    assert read(place.dataset / "summary.json")["samples"] == N_SAMPLES + 2
    with (place.dataset / "failures.csv").open(encoding="utf-8", newline="") as file:
        assert [(row["key"], row["error"]) for row in csv.DictReader(file)] == [("test image 99998", "no_picture")]
    assert everything(place.results / "runs") == models


def test_a_touched_tsv_makes_nothing_and_a_changed_one_what_was_made_of_it(place: CnclipPlace) -> None:
    tsv = place.folder / "shop" / "train_imgs.tsv"
    os.utime(tsv)
    assert place.planned() == {}  # by its digest, which Snakemake keeps of small files
    lines = tsv.read_text(encoding="utf-8").splitlines(keepends=True)
    tsv.write_text("".join(lines[1:] + lines[:1]), encoding="utf-8")
    plan = place.planned()
    assert plan["cnclip_check_pictures"] == {"dataset=shop, split=train, shard=00000"}
    assert plan["cnclip_lmdb"] == {"dataset=shop, split=train"}
    assert trained(plan) == {"plain", "taught", "bilingual"}


def test_a_changed_option_trains_that_run_and_what_begins_with_it(place: CnclipPlace) -> None:
    place.runs["taught"]["lr"] = 1e-3
    place.save()
    plan = place.planned()
    assert set(plan) - {"all_cnclip"} == {"cnclip_train_run"}  # it is in no comparison
    assert trained(plan) == {"taught"}
    place.runs["taught"]["lr"] = place.runs["plain"]["lr"] = 1.5e-3
    place.save()
    plan = place.planned("cnclip_train")
    assert trained(plan) == {"plain", "taught", "bilingual"}
    assert plan["cnclip_init"] == {"run=bilingual"}


def test_a_lost_work_folder_costs_a_check_and_no_training(place: CnclipPlace) -> None:
    shutil.rmtree(place.folder / "work")
    assert set(place.planned()) == {"cnclip_gate", "all_cnclip"}


def test_one_run_by_its_target_needs_its_own_alone(tmp_path: Path) -> None:
    student = {"kd": {"name": "kl", "teacher": "large"}}
    here = CnclipPlace.create(
        tmp_path / "place", large={}, other={}, student=student, smaller={"init": "large", "prune": {}}
    )
    plan = here.planned("cnclip_distill")
    assert trained(plan) == {"large", "student"}
    assert plan["cnclip_features"] == {"form=large, dataset=shop, split=train"}
    assert trained(here.planned("cnclip_prune")) == {"large", "smaller"}


def test_a_command_killed_in_the_middle_of_a_training_goes_on_to_the_same_bytes(place: CnclipPlace) -> None:
    model = place.run_folder("plain") / "model"
    undisturbed = {path.name: path.read_bytes() for path in model.iterdir()}
    for left in ("model", "checkpoints", "figures"):
        shutil.rmtree(place.run_folder("plain") / left)
    for left in ("run.json", "attempts.json", "metrics.jsonl", "progress.json"):
        (place.run_folder("plain") / left).unlink()
    (place.folder / "sitecustomize.py").write_text(kill_after_checkpoint("cnclip", "epoch_1_2.pt"))
    target = "results/cnclip/runs/plain/model"
    killed = finish(place.start(target, "--nolock", environment={"PYTHONPATH": str(place.folder)}), LONG_S)
    assert killed.code == -9, killed.text
    assert not model.exists()
    place.make(target, timeout_s=LONG_S)
    assert read(place.run_folder("plain") / "run.json")["attempts"][-1]["from_step"] == 2
    assert {path.name: path.read_bytes() for path in model.iterdir()} == undisturbed


@pytest.mark.slow
def test_an_lmdb_alone_on_one_core_and_elsewhere_gives_the_same_bytes(finished: CnclipPlace, tmp_path: Path) -> None:
    here = CnclipPlace(tmp_path / "place", {"root": "official", "workers": 2, "output_dir": "disk/shop"})
    for split in ("train", "valid", "test"):
        shutil.copytree(finished.dataset / "lmdb" / split, here.folder / "official" / "lmdb" / split)
    here.runs = {"plain": {**finished.runs["plain"], "loader_workers": 2}}
    here.save()
    here.make(cores=1, timeout_s=LONG_S)
    link = here.results / "data" / "shop"
    assert link.is_symlink()
    assert link.resolve() == here.dataset.resolve()
    assert here.run().nothing_to_do
    for name in ("valid_predictions.jsonl", "hits.npz", "valid_imgs.img_feat.jsonl"):
        ours, theirs = (place.evaluation("plain") / name for place in (here, finished))
        assert ours.read_bytes() == theirs.read_bytes(), name
    ours, theirs = (read(place.evaluation("plain") / "metrics.json") for place in (here, finished))
    assert {**ours, "languages": {}} == {**theirs, "languages": {}}
    # Not `imgs`: the pictures come in another order, so that they lie on other pages.
    ours, theirs = (place.dataset / "lmdb" / "train" / "pairs" / "data.mdb" for place in (here, finished))
    assert ours.read_bytes() == theirs.read_bytes()
    ours, theirs = (place.run_folder("plain") / "model" / "model.safetensors" for place in (here, finished))
    assert ours.read_bytes() == theirs.read_bytes()


@pytest.mark.slow
def test_two_cores_give_the_bytes_of_one(tmp_path: Path) -> None:
    one = CnclipPlace.create(tmp_path / "one", plain={}, student={"kd": {"name": "kl_feat", "teacher": "plain"}})
    one.cnclip = {"zeroshot": {"subjects": {"root": "shop/zeroshot/subjects"}}, "compare": ["student", "plain.init"]}
    one.save()
    two = one.copy(tmp_path / "two")
    for place, cores in ((one, 1), (two, 2)):
        place.make(cores=cores, timeout_s=LONG_S)
    assert results(one) == results(two)
    assert "eval/student/shop/valid_predictions.jsonl" in results(one)
    ours, theirs = ([{**row, "picture_ms": "", "text_ms": ""} for row in rows(place)] for place in (one, two))
    assert ours == theirs
