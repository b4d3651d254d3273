"""Verification: every kind of damage is named, and nothing is changed."""

import json
import os
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from scripts.shared import layout
from scripts.shared.errors import JobError
from scripts.shared.fingerprints import digest_bytes
from scripts.shared.ledger import FORMAT, LedgerWriter, encode_row, list_shards, read_shard
from scripts.shared.planning import index_plan
from scripts.shared.planning.index_plan import plan_file
from scripts.upkeep.verify import DatasetToVerify, StageToVerify, check_verification, verify_dataset
from scripts.upkeep.verify_shard import SMALL_BYTES, SampleSeen, ShardToVerify, verify_shard
from tests.snakemake_run import everything
from tests.toy_system import SharedToy, Toy

HOOKS = "tests.unit.upkeep.toy_hooks"
PROBLEMS = (
    *("file_missing", "file_size", "file_damaged", "file_unreadable", "file_content"),
    *("interrupted", "missing", "other_settings", "other_source", "index_lacks", "index_too_much", "index_unreadable"),
)


def task_of(toy: Toy, **changes: Any) -> DatasetToVerify:
    stage = toy.stage()
    task = DatasetToVerify(
        label=stage.label,
        system="toy",
        dataset_dir=str(toy.dataset_dir),
        index_plan=str(plan_file(stage.work_dir)),
        stages=[StageToVerify(stage.name, stage.settings, f"{HOOKS}:checker")],
        listed=f"{HOOKS}:listed",
        sheet=f"{HOOKS}:draw",
        means={},
        read_all=False,
        seed=42,
        own_folders=stage.own_folders,
    )
    return replace(task, **changes)


def verify(toy: Toy, **changes: Any) -> dict[str, Any]:
    out = toy.root / "out"
    out.mkdir(exist_ok=True)
    verify_dataset(task_of(toy, **changes), report=out / "report.json", figure=out / "sheet.txt", workers=1)
    report: dict[str, Any] = json.loads((out / "report.json").read_text())
    return report


def shard(toy: Toy, key: str, **changes: Any) -> dict[str, SampleSeen]:
    number = next(s for s in list_shards(toy.ledger_dir) if key in read_shard(toy.ledger_dir, s).rows)
    files = tuple(list_shards(toy.ledger_dir)[number])
    task = ShardToVerify(
        toy.dataset_dir, toy.ledger_dir, number, files, toy.stage().settings, f"{HOOKS}:checker", read_all=False
    )
    return {seen.key: seen for seen in verify_shard(replace(task, **changes)).samples}


def append(toy: Toy, key: str, **row: Any) -> None:
    """Write a newer row of a sample: its last one with other members."""
    number = next(s for s in list_shards(toy.ledger_dir) if key in read_shard(toy.ledger_dir, s).rows)
    writer = LedgerWriter(toy.ledger_dir, number, {})
    writer.append({**read_shard(toy.ledger_dir, number).rows[key], **row})
    writer.close()


def problems(report: dict[str, Any]) -> dict[str, list[str]]:
    return {problem: held["examples"] for problem, held in report["problems"].items()}


def test_a_finished_dataset_has_no_problems_and_its_counts_are_told(made_toy: Toy) -> None:
    before = everything(made_toy.dataset_dir)
    report = verify(made_toy)
    assert report["problems"] == report["remarks"] == {}
    assert report["wanted"] == 5
    assert report["stages"]["words"] == {
        "ok": 4,
        "failed": 1,
        "interrupted": 0,
        "unwanted": 0,
        "damaged_ledger_lines": 0,
        "errors": {"bad_text": 1},
    }
    assert sorted(report["drawn"]) == ["a", "b", "c", "d"]
    assert "toy toys: 4 random samples (seed 42)" in (made_toy.root / "out" / "sheet.txt").read_text()
    assert everything(made_toy.dataset_dir) == before


def test_a_moved_copy_without_plans_and_sources_passes_too(made_toy: Toy, tmp_path: Path) -> None:
    shutil.copytree(made_toy.dataset_dir, tmp_path / "copy", copy_function=shutil.copyfile)
    report = verify(made_toy, dataset_dir=str(tmp_path / "copy"), index_plan=str(tmp_path / "none"))
    assert report["problems"] == {}
    assert report["wanted"] is None
    assert report["stages"]["words"]["ok"] == 4


def test_the_same_ten_are_drawn_until_the_seed_or_the_samples_change(made_toy: Toy) -> None:
    first, again, other = verify(made_toy), verify(made_toy), verify(made_toy, seed=7)
    assert first["drawn"] == again["drawn"] != other["drawn"]


@pytest.mark.parametrize(
    ("problem", "damage", "says"),
    [
        ("file_missing", lambda path: path.unlink(), "upper.txt is not there"),
        ("file_size", lambda path: path.write_bytes(b"AB"), "upper.txt is of 2 bytes, on record are 64"),
        ("file_damaged", lambda path: path.write_bytes(b"X" * 64), "upper.txt does not hold what was written"),
        ("file_unreadable", lambda path: (path.unlink(), path.symlink_to(path)), "upper.txt: Too many levels"),
    ],
)
def test_damage_is_told_by_its_kind(made_toy: Toy, damage: Any, problem: str, says: str) -> None:
    damage(made_toy.dataset_dir / "a" / "upper.txt")
    seen = shard(made_toy, "a")["a"]
    assert seen.problem == problem
    assert seen.message.startswith(says)


def test_content_is_wrong_also_where_the_digest_is_that_on_record(made_toy: Toy) -> None:
    (made_toy.dataset_dir / "a" / "upper.txt").write_bytes(b"lower")
    files = {"upper.txt": [5, digest_bytes(b"lower")]}
    append(made_toy, "a", files=files)
    seen = shard(made_toy, "a")["a"]
    assert (seen.problem, seen.message) == ("file_content", "upper.txt: lower case at repeat 1")
    # Of other settings it is of another form: only compared with its row.
    append(made_toy, "a", files=files, settings="other")
    seen = shard(made_toy, "a")["a"]
    assert (seen.other_settings, seen.problem) == (True, "")


def test_of_large_files_only_the_beginning_is_read_unless_all_is_asked_for(made_toy: Toy) -> None:
    path = made_toy.dataset_dir / "a" / "upper.txt"
    content = bytearray(b"A" * (SMALL_BYTES + 1))
    append(made_toy, "a", files={"upper.txt": [len(content), digest_bytes(content)]})
    content[-1] = 0
    path.write_bytes(content)
    assert shard(made_toy, "a")["a"].problem == ""
    assert shard(made_toy, "a", read_all=True)["a"].problem == "file_damaged"
    content[0] = ord("a")
    path.write_bytes(content)
    assert shard(made_toy, "a")["a"].problem == "file_content"


def test_a_small_file_is_read_to_its_end(made_toy: Toy) -> None:
    content = bytearray(b"A" * SMALL_BYTES)
    append(made_toy, "a", files={"upper.txt": [len(content), digest_bytes(content)]})
    path = made_toy.dataset_dir / "a" / "upper.txt"
    path.write_bytes(content)
    assert shard(made_toy, "a")["a"].problem == ""
    content[-1] = 0
    path.write_bytes(content)
    assert shard(made_toy, "a")["a"].problem == "file_damaged"


def test_what_is_wanted_and_not_there_is_missing_interrupted_or_of_other_settings(made_toy: Toy) -> None:
    append(made_toy, "a", status="making")
    append(made_toy, "b", settings="other")
    for path in list_shards(made_toy.ledger_dir)["00002"]:
        path.unlink()
    (made_toy.dataset_dir / "index.json").write_text(json.dumps({"made": ["d", "b", "c"]}))
    report = verify(made_toy)
    assert problems(report) == {"interrupted": ["a"], "missing": ["e: no row of words"], "other_settings": ["b"]}


def test_what_is_not_wanted_may_be_of_other_settings(made_toy: Toy) -> None:
    append(made_toy, "a", status="making")
    append(made_toy, "b", settings="other")
    made_toy.keys = ["d", "c", "e"]
    made_toy.run()
    report = verify(made_toy)
    assert report["problems"] == {}
    assert report["stages"]["words"]["unwanted"] == 2


def test_the_index_must_name_exactly_what_is_wanted_and_finished(made_toy: Toy) -> None:
    (made_toy.dataset_dir / "index.json").write_text(json.dumps({"made": ["d", "b", "b", "e", "x"]}))
    assert problems(verify(made_toy)) == {
        "index_too_much": [
            "b: named twice",
            "e: named, but not wanted and finished",
            "x: named, but not wanted and finished",
        ],
        "index_lacks": ["a", "c"],
    }
    (made_toy.dataset_dir / "index.json").write_text("torn")
    assert list(problems(verify(made_toy))) == ["index_unreadable"]


def test_an_index_of_another_folder_is_remarked(made_toy: Toy) -> None:
    made = [f"/elsewhere/{key}" for key in "dbca"]
    (made_toy.dataset_dir / "index.json").write_text(json.dumps({"made": made}))
    report = verify(made_toy)
    assert report["problems"] == {}
    assert report["remarks"]["index_of_another_folder"]["examples"] == ["/elsewhere: `snakemake all_toy` renews it"]


def test_folders_that_no_row_knows_are_remarked(made_toy: Toy) -> None:
    for name in ("stranger", "figures", "dataset_inside/.state"):
        (made_toy.dataset_dir / name).mkdir(parents=True)
    report = verify(made_toy)
    assert report["problems"] == {}
    assert report["remarks"]["foreign_folder"] == {"count": 1, "examples": ["stranger"]}


def test_damaged_ledger_lines_are_counted_and_their_samples_missing(made_toy: Toy) -> None:
    path = list_shards(made_toy.ledger_dir)["00002"][0]
    path.write_bytes(path.read_bytes().replace(b"bad_text", b"bad_test"))
    report = verify(made_toy)
    assert report["stages"]["words"]["damaged_ledger_lines"] == 1
    assert problems(report) == {"missing": ["e: no row of words"]}


def test_a_row_in_another_shard_than_its_own_does_not_count(made_toy: Toy) -> None:
    writer = LedgerWriter(made_toy.ledger_dir, "00002", {})
    writer.append({"key": "a", "status": "ok", "settings": "x", "files": {"gone.txt": [1, "0"]}})
    writer.close()
    assert verify(made_toy)["problems"] == {}


def test_examples_are_the_first_fifty_and_the_count_is_whole(made_toy: Toy) -> None:
    made_toy.keys += [f"k{number:03d}" for number in range(130)]
    index_plan.settle(made_toy.stage(), made_toy.keys, ["00000"], None)
    missing = verify(made_toy)["problems"]["missing"]
    assert missing["count"] == 130
    assert missing["examples"] == [f"k{number:03d}: no row of words" for number in range(50)]


def test_an_empty_folder_does_not_pass(made_toy: Toy, tmp_path: Path) -> None:
    layout.state_dir(tmp_path / "empty").mkdir(parents=True)
    report = verify(made_toy, dataset_dir=str(tmp_path / "empty"), index_plan=str(tmp_path / "none"), listed="")
    assert problems(report) == {"missing": ["all: nothing is on record"]}


def test_a_damaged_index_plan_costs_only_what_it_tells(made_toy: Toy) -> None:
    plan_file(made_toy.work).write_text("torn")
    report = verify(made_toy)
    assert report["wanted"] is None
    assert report["problems"] == {}


def test_a_ledger_of_a_newer_version_is_named(made_toy: Toy) -> None:
    path = list_shards(made_toy.ledger_dir)["00000"][0]
    path.write_bytes(encode_row({"format": FORMAT + 1, "made_by": "x", "versions": {}}))
    with pytest.raises(JobError, match="written by a newer version of Polymill"):
        verify(made_toy)


def test_a_ledger_that_cannot_be_read_is_named_and_is_no_defect(made_toy: Toy) -> None:
    path = list_shards(made_toy.ledger_dir)["00000"][0]
    path.unlink()
    path.mkdir()
    with pytest.raises(JobError, match=rf"{path}: Is a directory; verify again when mended"):
        verify(made_toy)


def test_the_gate_names_the_commonest_problems_and_their_mend(made_toy: Toy) -> None:
    report, mark = made_toy.root / "out" / "report.json", made_toy.root / "out" / "passed.json"
    verify(made_toy)
    check_verification(report, mark, system="toy")
    assert mark.exists()
    for key in "ab":
        (made_toy.dataset_dir / key / "upper.txt").write_bytes(b"X" * 64)
    (made_toy.dataset_dir / "c" / "count.txt").unlink()
    verify(made_toy)
    with pytest.raises(JobError) as caught:
        check_verification(report, mark, system="toy")
    text = f"{caught.value}"
    assert "toy toys: 3 problems: 2 file_damaged, such as a: upper.txt does not hold what was written" in text
    assert "(mend: snakemake all_toy --config verify=digest); 1 file_missing, such as c: count.txt" in text


def test_every_problem_has_a_mend(made_toy: Toy) -> None:
    report = made_toy.root / "report.json"
    for problem in PROBLEMS:
        found = {"dataset": "toy toys", "stages": {}, "problems": {problem: {"count": 1, "examples": ["x"]}}}
        report.write_text(json.dumps(found))
        with pytest.raises(JobError, match=r"1 problems: .*mend: (snakemake all_toy|mend the disk)"):
            check_verification(report, made_toy.root / "passed.json", system="toy")


def test_a_request_comes_back_as_it_was(made_toy: Toy) -> None:
    task = task_of(made_toy)
    assert DatasetToVerify.from_request(json.loads(json.dumps(asdict(task)))) == task


def test_a_key_that_is_no_folder_is_missing_its_files(made_toy: Toy) -> None:
    shutil.rmtree(made_toy.dataset_dir / "a")
    (made_toy.dataset_dir / "a").write_text("a file")
    assert shard(made_toy, "a")["a"].problem in ("file_missing", "file_unreadable")
    os.unlink(made_toy.dataset_dir / "a")
    assert shard(made_toy, "a")["a"].problem == "file_missing"


def test_samples_in_shared_folders_are_looked_at_where_they_lie(made_shared: SharedToy) -> None:
    before = everything(made_shared.dataset_dir)
    report = verify_shared(made_shared)
    assert report["problems"] == report["remarks"] == {}
    assert report["stages"]["words"]["ok"] == 4
    assert everything(made_shared.dataset_dir) == before
    (made_shared.dataset_dir / "upper" / "ann" / "a.txt").write_bytes(b"X" * 64)
    (made_shared.dataset_dir / "count" / "c.txt").unlink()
    for read_all in (False, True):
        assert problems(verify_shared(made_shared, read_all=read_all)) == {
            "file_damaged": ["ann/a.wav: upper/ann/a.txt does not hold what was written"],
            "file_missing": ["c.wav: count/c.txt is not there"],
        }


def verify_shared(toy: SharedToy, **changes: Any) -> dict[str, Any]:
    """Verify without drawing, as a system does that cannot."""
    verify_dataset(task_of(toy, sheet="", **changes), report=toy.root / "report.json", figure=None, workers=1)
    report: dict[str, Any] = json.loads((toy.root / "report.json").read_text())
    return report


def test_an_index_of_samples_in_shared_folders_names_keys(made_shared: SharedToy) -> None:
    made = ["ann/b.wav", "ann/a.wav", "c.wav", "bob/e.wav"]
    (made_shared.dataset_dir / "index.json").write_text(json.dumps({"made": made}))
    assert problems(verify_shared(made_shared)) == {
        "index_too_much": ["bob/e.wav: named, but not wanted and finished"],
        "index_lacks": ["bob/a.wav"],
    }
    assert "index_lacks" not in problems(verify_shared(made_shared, listed=""))


def test_folders_beside_shared_ones_are_remarked_unless_files_there_are_kept(made_shared: SharedToy) -> None:
    for name in ("stranger", "c.wav", "boundaries", "figures"):  # the second like a key, which names no folder here
        (made_shared.dataset_dir / name).mkdir()
    report = verify_shared(made_shared, kept_files=["boundaries/*.json", "*.csv"])
    assert report["remarks"]["foreign_folder"]["examples"] == ["c.wav", "stranger"]


def test_a_file_that_went_to_another_sample_is_no_problem_of_the_one_before(made_shared: SharedToy) -> None:
    made_shared.keys[1] = "ann/a.mp3"
    made_shared.source("ann/a.mp3").write_text("another text")
    made_shared.run()
    report = verify_shared(made_shared)
    assert report["problems"] == {}
    assert report["stages"]["words"] | {"errors": {}} == {
        "ok": 4,
        "failed": 1,
        "interrupted": 1,
        "unwanted": 1,
        "damaged_ledger_lines": 0,
        "errors": {},
    }
