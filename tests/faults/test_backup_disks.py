"""Backups on disks that are full, read-only or not there: a clear line, and no snapshot lost."""

import subprocess
from pathlib import Path

import pytest

from scripts.shared.errors import ConfigError, JobError
from scripts.upkeep.backup import DatasetToBackUp, back_up, snapshots
from tests.faults.test_disks import small_disk as small_disk
from tests.snakemake_run import contents
from tests.toy_system import Toy
from tests.unit.upkeep.conftest import _made_once as _made_once
from tests.unit.upkeep.conftest import made_toy as made_toy

ROOM_LEFT = 8 * 1024


def task_of(toy: Toy, disk: Path) -> DatasetToBackUp:
    return DatasetToBackUp("toy toys", str(toy.dataset_dir), ["words"], str(disk), str(disk / "toy" / "toys"), keep=1)


def change_all(toy: Toy) -> None:
    for key in "abcd":
        toy.source(key).write_text(f"other {key}")
    toy.run()


def test_a_full_disk_costs_no_snapshot_and_the_backup_goes_on_when_there_is_room(
    small_disk: Path, made_toy: Toy
) -> None:
    task = task_of(made_toy, small_disk)
    back_up(task, workers=1)
    (first,) = snapshots(Path(task.folder))
    before = contents(first, without=())
    change_all(made_toy)
    filler = small_disk / "filler"
    free = int(subprocess.check_output(["df", "--output=avail", "-B1", str(small_disk)]).split()[1])
    filler.write_bytes(b"0" * (free - ROOM_LEFT))
    with pytest.raises(JobError, match=r"No space left on device; make room .* and run again: .* goes on"):
        back_up(task, workers=1)
    assert snapshots(Path(task.folder)) == [first]
    assert contents(first, without=()) == before
    filler.unlink()
    back_up(task, workers=1)
    (second,) = snapshots(Path(task.folder))
    assert (second / "a" / "upper.txt").read_text().startswith("OTHER A")
    assert list(Path(task.folder).glob(".unfinished-*")) == []


def test_a_read_only_disk_is_named(small_disk: Path, made_toy: Toy) -> None:
    task = task_of(made_toy, small_disk)
    back_up(task, workers=1)
    before = contents(small_disk, without=())
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(JobError, match="Read-only file system"):
        back_up(task, workers=1)
    assert contents(small_disk, without=()) == before


def test_a_disk_that_is_not_there_is_named_and_nothing_made_in_its_place(made_toy: Toy, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is its disk mounted"):
        back_up(task_of(made_toy, tmp_path / "mnt" / "backup"), workers=1)
    assert not (tmp_path / "mnt").exists()
