"""Tars hold just the finished samples, follow every change, and are made again only where they must."""

import os
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import webdataset

from scripts.shared import layout, ledger
from scripts.shared.errors import JobError
from scripts.shared.ledger import list_shards
from scripts.shared.locks import LockFile
from scripts.shared.safe_pickle import dumps
from scripts.upkeep.packing import shard as shard_module
from scripts.upkeep.packing.shard import is_whole, pack_shard, read_record, record_file
from scripts.upkeep.prune import prune
from scripts.upkeep.prune_plan import plan_prune
from tests.snakemake_run import everything
from tests.toy_system import SPOILT, SharedToy, StagedToy, Toy
from tests.unit.shared.conftest import release
from tests.unit.upkeep.packing.toy_packing import contents, inodes, pack, packed, read, task


@pytest.fixture
def toy(made_toy: Toy) -> Toy:
    """Five samples in three shards (d, b; c, a; e, which failed), packed two a tar."""
    pack(made_toy)
    return made_toy


def made_again(toy: Toy, places: int = 2) -> set[str]:
    """Run what is due, pack, and say which tars are not the files they were."""
    before = inodes(toy)
    toy.run(workers=1)
    release()
    pack(toy, places)
    after = inodes(toy)
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def loose(toy: Toy) -> dict[str, dict[str, bytes]]:
    return {key: toy.held(key) for key in toy.keys if (toy.dataset_dir / toy.files(key)["upper.txt"]).exists()}


def test_webdataset_reads_every_finished_sample_and_no_failed_one(toy: Toy) -> None:
    assert sorted(inodes(toy)) == ["toys-00000-000.tar", "toys-00001-000.tar"]
    assert read(*sorted(packed(toy).glob("*.tar"))) == {key: toy.held(key) for key in ["d", "b", "c", "a"]}


def test_samples_whose_files_lie_in_shared_folders_are_read_as_one(made_shared: SharedToy) -> None:
    pack(made_shared)
    expected = {
        stem.replace("/", "%2F"): {"upper.txt": held["upper.txt"], "count.txt": held["count.txt"]}
        for stem, held in ((key.removesuffix(".wav"), made_shared.held(key)) for key in made_shared.keys[:4])
    }
    assert read(*sorted(packed(made_shared).glob("*.tar"))) == expected


def test_a_sample_is_packed_once_every_stage_has_made_it_with_the_files_of_all(tmp_path: Path) -> None:
    staged = StagedToy(tmp_path, keys=["a", "b", "c"], shard_size=3)
    staged.sources.mkdir()
    for key in staged.keys:
        staged.source(key).write_text(f"{SPOILT} {key}" if key == "b" else f"text {key}")
    staged.run_stages(workers=1)
    release()
    plan = layout.plan_file(staged.work / "frames", "00000")
    pack_shard(replace(task(staged, "00000", places=3), stages=["pairs", "frames"], plan=str(plan)))
    found = read(packed(staged) / "toys-00000-000.tar")
    assert list(found) == ["a", "c"]
    assert all(list(fields) == ["pairs.txt", "pairs.json", "pairs.png"] for fields in found.values())
    assert found["c"]["pairs.png"] == (staged.dataset_dir / "pairs" / "c.png").read_bytes()


def test_webdataset_decodes_the_pickles_of_clip4mc_to_equal_arrays(
    made_toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 4, 6, 3), dtype=np.uint8)
    made = {"video_input.pkl": dumps(frames), "text_input.pkl": dumps({"tokens": np.arange(77)})}
    folder = made_toy.dataset_dir / "d"
    row = {"key": "d", "status": "ok", "folder_mtime_ns": 0, "files": {}}
    for name, data in made.items():
        (folder / name).write_bytes(data)
        row["files"][name] = [len(data), shard_module.digest_bytes(data)]
    writer = ledger.LedgerWriter(made_toy.ledger_dir, "00000", {})
    writer.append(row)
    writer.close()
    pack(made_toy)
    tars = [str(packed(made_toy) / "toys-00000-000.tar")]
    first = next(iter(webdataset.WebDataset(tars, shardshuffle=False).decode()))
    assert first["__key__"] == "d"
    np.testing.assert_array_equal(first["video_input.pkl"], frames)
    np.testing.assert_array_equal(first["text_input.pkl"]["tokens"], np.arange(77))


def test_packing_again_touches_nothing(toy: Toy) -> None:
    index = packed(toy) / "index.json"
    before, told = inodes(toy), index.read_bytes()
    assert made_again(toy) == set()
    assert (inodes(toy), index.read_bytes()) == (before, told)


def test_a_changed_an_added_and_a_removed_sample_cost_their_own_tars_alone(toy: Toy) -> None:
    toy.source("a").write_text("something else")
    assert made_again(toy) == {"toys-00001-000.tar"}
    toy.source("f").write_text("text f")
    toy.keys.append("f")
    assert made_again(toy) == {"toys-00002-000.tar"}
    toy.keys.remove("b")
    assert made_again(toy) == {"toys-00000-000.tar"}
    assert read(*sorted(packed(toy).glob("*.tar"))) == {key: toy.held(key) for key in ["d", "c", "a", "f"]}


def test_a_sample_that_fails_now_leaves_its_tar(toy: Toy) -> None:
    toy.source("b").write_text("bad b")
    assert made_again(toy) == {"toys-00000-000.tar"}
    assert list(read(packed(toy) / "toys-00000-000.tar")) == ["d"]


def test_a_tar_of_which_nothing_is_wanted_goes(toy: Toy) -> None:
    toy.source("d").write_text("bad d")
    toy.source("b").write_text("bad b")
    assert made_again(toy) == {"toys-00000-000.tar"}
    assert list(inodes(toy)) == ["toys-00001-000.tar"]


def test_the_tars_of_a_shard_that_is_gone_go_with_its_record(toy: Toy) -> None:
    toy.keys = ["c", "a"]
    prune(plan_prune([toy.stage()])[0])
    shutil.rmtree(toy.work / "words" / "plan")
    assert made_again(toy) == {"toys-00000-000.tar"}
    assert sorted(path.stem for path in layout.state_dir(packed(toy)).iterdir()) == ["00001"]


def test_what_was_pruned_is_packed_no_more(toy: Toy) -> None:
    toy.keys.remove("c")
    prune(plan_prune([toy.stage()])[0])
    assert made_again(toy) == {"toys-00001-000.tar"}
    assert list(read(packed(toy) / "toys-00001-000.tar")) == ["a"]


def test_another_number_of_places_packs_all_anew_and_leaves_none_of_the_old(toy: Toy) -> None:
    whole = contents(toy)
    assert len(made_again(toy, places=1)) == 4
    assert sorted(inodes(toy)) == [f"toys-0000{shard}-00{place}.tar" for shard in (0, 1) for place in (0, 1)]
    pack(toy)
    assert contents(toy) == whole


def shorten(tar: Path) -> None:
    tar.write_bytes(tar.read_bytes()[:-600])


def edit(tar: Path) -> None:
    content = bytearray(tar.read_bytes())
    content[600] ^= 1
    tar.write_bytes(content)


def spoil_record(tar: Path) -> None:
    record_file(tar.parent, "00000").write_bytes(b"{\xff")


def lose_record(tar: Path) -> None:
    record_file(tar.parent, "00000").unlink()


@pytest.mark.parametrize("harm", [shorten, edit, Path.unlink, lose_record, spoil_record])
def test_a_tar_or_record_that_is_not_as_it_was_left_is_made_again_with_the_same_bytes(toy: Toy, harm) -> None:  # type: ignore[no-untyped-def]
    whole, records = contents(toy), {shard: read_record(packed(toy), shard) for shard in ("00000", "00001")}
    harm(packed(toy) / "toys-00000-000.tar")
    assert made_again(toy) == {"toys-00000-000.tar"}
    assert contents(toy) == whole
    again = read_record(packed(toy), "00000")
    assert again is not None
    assert again["stamp"] == records["00000"]["stamp"]
    assert is_whole(packed(toy), "toys-00000-000.tar", again["tars"]["toys-00000-000.tar"])
    assert made_again(toy) == set()


def test_a_damaged_loose_file_is_named_and_only_its_sample_left_out(toy: Toy) -> None:
    before = (toy.dataset_dir / "b" / "upper.txt").read_bytes()
    (toy.dataset_dir / "b" / "upper.txt").write_bytes(b"x" * len(before))
    (packed(toy) / "toys-00000-000.tar").unlink()
    for _ in range(2):  # the next job says so too
        with pytest.raises(JobError, match=r"1 samples are not packed, such as b \(b/upper.txt does not hold what was"):
            pack_shard(task(toy, "00000"))
        assert list(read(packed(toy) / "toys-00000-000.tar")) == ["d"]
    (toy.dataset_dir / "b" / "upper.txt").write_bytes(before)
    pack(toy)
    assert list(read(packed(toy) / "toys-00000-000.tar")) == ["d", "b"]


def test_a_row_whose_names_lead_out_of_the_dataset_packs_nothing(toy: Toy) -> None:
    writer = ledger.LedgerWriter(toy.ledger_dir, "00000", {})
    writer.append({"key": "b", "status": "ok", "folder_mtime_ns": 0, "files": {"../../secret": [1, "0"]}})
    writer.close()
    before = everything(packed(toy))
    with pytest.raises(JobError, match="leads out of its folder"):
        pack_shard(task(toy, "00000"))
    assert everything(packed(toy)) == before


def test_a_compacted_ledger_makes_nothing_again(toy: Toy) -> None:
    for shard in list_shards(toy.ledger_dir):
        ledger.compact(toy.ledger_dir, shard, ledger.read_shard(toy.ledger_dir, shard))
    assert made_again(toy) == set()


def test_equal_samples_give_equal_bytes_whatever_was_made_first(made_toy: Toy, tmp_path: Path) -> None:
    pack(made_toy)
    other = replace(made_toy, root=tmp_path / "other")
    shutil.copytree(made_toy.sources, other.sources)
    other.source("d").write_text("bad for now")
    other.run(workers=1)
    pack(other)
    other.source("d").write_text("text d")
    other.run(workers=1)
    pack(other)
    assert list_shards(other.ledger_dir)["00000"] != list_shards(made_toy.ledger_dir)["00000"]
    assert contents(other) == contents(made_toy)
    with tarfile.open(packed(other) / "toys-00000-000.tar") as tar:
        assert {(member.mtime, member.uid, member.uname, member.mode) for member in tar} == {(0, 0, "", 0o644)}


def test_a_job_waits_for_the_job_that_works_on_its_shard(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def acquire(self: LockFile, *, wait: bool) -> bool:
        asked.append((self.path.name, wait))
        return wait

    monkeypatch.setattr(LockFile, "acquire", acquire)
    pack_shard(task(toy, "00000"))
    assert asked == [("00000.lock", False), ("00000.lock", True)]


def test_leftovers_of_a_killed_job_are_removed_and_those_of_a_living_one_not(toy: Toy) -> None:
    dead = packed(toy) / ".polymill-00000000-toys-00000-000.tar"
    dead.write_bytes(b"half")
    with shard_module.atomic_files.open_new(packed(toy) / "living.txt") as file:
        pack_shard(task(toy, "00000"))
        assert not dead.exists()
        assert os.path.exists(file.name)
