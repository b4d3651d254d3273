"""What is asked of the jobs that pack: nothing where the tars still are what the ledger tells."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scripts.shared import layout, ledger
from scripts.shared.errors import ConfigError, JobError, PlanningError
from scripts.shared.ledger import list_shards
from scripts.shared.planning.plans import PlanMode, Plans
from scripts.systems import SYSTEMS, System
from scripts.upkeep.packing.asking import Packing
from scripts.upkeep.packing.shard import ShardToPack, pack_shard
from scripts.upkeep.request_file import read_request
from tests.snakemake_run import everything
from tests.toy_system import Toy
from tests.unit.shared.conftest import release
from tests.unit.upkeep.packing.toy_packing import inodes, packed, shards

Run = Callable[..., set[str]]


@pytest.fixture
def asked(made_toy: Toy, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Ask as a process of Snakemake does, and answer what was asked anew: the shards that were."""
    monkeypatch.setitem(SYSTEMS, "toy", System(stages=lambda _config, _name: (made_toy.stage(),), packed=("words",)))
    requests = made_toy.work / "pack" / "request"

    def ask(scratch: Path | None = None, **options: Any) -> set[str]:
        dataset = {"pack": True, "pack_samples": 2, "verify": "cheap", **options}
        config = {
            "results_dir": str(made_toy.root / "results"),
            "work_dir": str(made_toy.root / "work"),
            "toy": {"datasets": {made_toy.dataset: dataset}},
        }
        mode = PlanMode(plans=True, scratch=scratch, cores=1)
        packing = Packing(config, Plans(lambda: mode), lambda: mode, {"toy": lambda _: (made_toy.stage(),)})
        before = {path: path.stat().st_ino for path in requests.glob("*.json")}
        new = set()
        for shard in packing.shards("toy", made_toy.dataset):
            path = packing.request("toy", made_toy.dataset, shard)
            if before.get(path) != path.stat().st_ino:
                new.add(shard)
                if scratch is None:
                    pack_shard(ShardToPack(**read_request(path)))
        release()
        return new

    return ask


def test_all_is_asked_once_and_nothing_the_second_time(asked: Run, made_toy: Toy) -> None:
    assert asked() == set(shards(made_toy)) == {"00000", "00001", "00002"}
    assert asked() == set()


def test_a_dry_run_asks_the_same_and_writes_nothing(asked: Run, made_toy: Toy, tmp_path: Path) -> None:
    asked()
    (packed(made_toy) / "toys-00001-000.tar").unlink()
    (tmp_path / "scratch").mkdir()
    before = everything(made_toy.root)
    assert asked(tmp_path / "scratch") == {"00001"}
    assert everything(made_toy.root) == before
    assert asked() == {"00001"}


def test_a_tar_that_is_no_longer_as_it_was_left_is_asked_for(asked: Run, made_toy: Toy) -> None:
    asked()
    tar = packed(made_toy) / "toys-00000-000.tar"
    tar.write_bytes(tar.read_bytes()[:-600])
    assert asked() == {"00000"}
    (layout.state_dir(packed(made_toy)) / "00001.json").unlink()
    assert asked() == {"00001"}
    assert asked() == set()


def test_a_flipped_bit_with_the_size_and_time_of_before_is_found_where_all_is_read(asked: Run, made_toy: Toy) -> None:
    asked()
    tar = packed(made_toy) / "toys-00000-000.tar"
    whole, times = tar.read_bytes(), tar.stat()
    tar.write_bytes(whole[:600] + bytes([whole[600] ^ 1]) + whole[601:])
    os.utime(tar, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert asked() == set()
    assert asked(verify="digest") == {"00000"}
    assert tar.read_bytes() == whole
    assert asked(verify="digest") == set()


def test_what_a_stage_did_is_asked_for_even_where_its_job_was_asked_alone(asked: Run, made_toy: Toy) -> None:
    asked()
    made_toy.source("a").write_text("something else")
    made_toy.run(workers=1)
    release()
    assert asked() == {"00001"}


def test_a_compacted_ledger_is_seen_to_say_the_same_once(
    asked: Run, made_toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked()
    before = inodes(made_toy)
    for shard in list_shards(made_toy.ledger_dir):
        ledger.compact(made_toy.ledger_dir, shard, ledger.read_shard(made_toy.ledger_dir, shard))
    assert asked() == set()
    assert inodes(made_toy) == before
    monkeypatch.setattr("scripts.upkeep.packing.asking.wanted_tars", None)  # not asked: the record knows the new one
    assert asked() == set()


def test_all_of_a_system_keeps_those_current_that_say_so_and_packs_no_other() -> None:
    config = {"toy": {"datasets": {"kept": {"pack": True}, "not_kept": {"pack": False}, "empty": {"pack": True}}}}
    mode = PlanMode(plans=True, scratch=None, cores=1)
    stages = {"toy": lambda name: () if name == "empty" else (Toy(Path()).stage(),)}
    packing = Packing(config, Plans(lambda: mode), lambda: mode, stages)
    assert packing.datasets("toy", kept_current=True) == ["kept"]
    assert packing.datasets("toy", kept_current=False) == ["kept", "not_kept"]


def test_other_places_a_tar_ask_for_all(asked: Run, made_toy: Toy) -> None:
    asked()
    assert asked(pack_samples=1) == set(shards(made_toy))
    assert len(inodes(made_toy)) == 4


def test_tars_elsewhere_are_found_through_a_link_and_go_nowhere_else(asked: Run, made_toy: Toy, tmp_path: Path) -> None:
    folder = tmp_path / "shared_disk"
    asked(pack_dir=str(folder))
    place = folder / "toy" / "toys"
    assert packed(made_toy).resolve() == place
    assert sorted(path.name for path in place.glob("*.tar")) == ["toys-00000-000.tar", "toys-00001-000.tar"]
    assert asked(pack_dir=str(folder)) == set()
    (tmp_path / "scratch").mkdir()
    assert asked(tmp_path / "scratch") == set(shards(made_toy))
    assert packed(made_toy).is_symlink()  # a dry run moves nothing
    assert asked() == set(shards(made_toy))
    assert not packed(made_toy).is_symlink()
    assert len(list(place.glob("*.tar"))) == 2


def test_two_datasets_share_a_folder_for_tars_without_sharing_one(
    made_toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toys = {"toys": made_toy, "others": replace(made_toy, dataset="others")}
    shutil.copytree(made_toy.dataset_dir, toys["others"].dataset_dir)
    monkeypatch.setitem(SYSTEMS, "toy", System(stages=lambda _config, name: (toys[name].stage(),), packed=("words",)))
    dataset = {"pack": True, "pack_samples": 2, "verify": "cheap", "pack_dir": str(tmp_path / "disk")}
    places = {"results_dir": str(made_toy.root / "results"), "work_dir": str(made_toy.root / "work")}
    mode = PlanMode(plans=True, scratch=None, cores=1)
    stages = {"toy": lambda name: (toys[name].stage(),)}
    config = {**places, "toy": {"datasets": dict.fromkeys(toys, dataset)}}
    packing = Packing(config, Plans(lambda: mode), lambda: mode, stages)
    for name in toys:
        for shard in packing.shards("toy", name):
            pack_shard(ShardToPack(**read_request(packing.request("toy", name, shard))))
    found = sorted(str(path.relative_to(tmp_path / "disk")) for path in (tmp_path / "disk").rglob("*.tar"))
    assert found == [f"toy/{name}/{name}-0000{shard}-000.tar" for name in sorted(toys) for shard in (0, 1)]


def test_tars_of_before_where_the_link_belongs_stop_with_the_mend(asked: Run, made_toy: Toy, tmp_path: Path) -> None:
    asked()
    before = inodes(made_toy)
    with pytest.raises(PlanningError, match=r"toy toys: pack_dir is .*packed is a folder with tars of before: move it"):
        asked(pack_dir=str(tmp_path / "elsewhere"))
    release()
    assert inodes(made_toy) == before


def test_tars_may_not_lie_among_results_or_work(asked: Run, made_toy: Toy) -> None:
    for folder in (made_toy.root / "results" / "packs", made_toy.root / "work", made_toy.dataset_dir):
        with pytest.raises(ConfigError, match=r"pack_dir is .*: name a folder apart from both"):
            asked(pack_dir=str(folder))
        release()


def test_a_shard_with_a_damaged_loose_file_is_asked_for_until_it_is_mended(asked: Run, made_toy: Toy) -> None:
    asked()
    loose = made_toy.dataset_dir / "b" / "upper.txt"
    whole = loose.read_bytes()
    loose.write_bytes(b"x" * len(whole))
    (packed(made_toy) / "toys-00000-000.tar").unlink()
    for _ in range(2):
        with pytest.raises(JobError, match="such as b "):
            asked()
        release()
    loose.write_bytes(whole)
    assert asked() == {"00000"}
    assert asked() == set()
