"""Disks that refuse in the midst of a run, of every system: a clear line, nothing lost, and on it goes when mended."""

import errno as errors
import os
import random
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from scripts.shared.devices import lease
from scripts.shared.errors import JobError
from scripts.shared.training.checkpoints import CheckpointFolder, read_checkpoint
from tests.fake_gpus import fake_gpus
from tests.faults.places import SYSTEMS, assert_as_if_undisturbed, fresh, struck
from tests.faults.tally import tell
from tests.snakemake_run import Place, Ran

N_POINTS = 3
LONG_S = 600
OWN_FRAME = re.compile(r'File "[^"]*(/scripts/\w+/|rule_\w+\.py)[^"]*", line')  # of a traceback


@pytest.fixture
def tmpfs(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MB in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a file system: {mounted.stderr.decode().strip()} (needs root)")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take all room of a file system; the file to remove."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"0" * 4096):
                pass
        except OSError:
            pass
    return filler


def refused_at(here: Place, at: int, error: str) -> Ran:
    """Run where the disk of results and work refuses from an event on; the events of the run are counted."""
    environment = struck(here, at=at, who="full", errno=error)
    return here.run(cores=1, environment=environment, timeout_s=LONG_S)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("system", "error"),
    [(system, error) for system in SYSTEMS for error in ("ENOSPC", "EROFS")]
    + [(system, error) for system in ("clip4mc", "speaker") for error in ("EDQUOT", "EIO", "ESTALE")],
)
def test_a_disk_that_refuses_from_any_moment_on_costs_nothing_that_was_made(
    system: str, error: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    counted = fresh(system, tmp_path / "counted", tmp_path_factory)
    assert refused_at(counted, -1, error).code == 0
    n_events = len((counted.folder / "events").read_text().splitlines())
    draw = random.Random(f"{system} {error}")
    for number, at in enumerate(sorted(draw.sample(range(n_events), N_POINTS))):
        here = fresh(system, tmp_path / f"at{number}", tmp_path_factory)
        ran = refused_at(here, at, error)
        if ran.code:
            assert os.strerror(getattr(errors, error)) in ran.text, ran.text
        if error not in ("EROFS", "ESTALE"):  # Snakemake itself has a traceback where it cannot remove a file
            assert ran.code == 0 or "and run again" in ran.text, ran.text
            assert "Traceback (most recent" not in ran.text, ran.text
        assert not OWN_FRAME.search(ran.text), ran.text
        assert "a defect of Polymill" not in ran.text, ran.text
        here.run("--unlock")
        here.make(timeout_s=LONG_S)
        assert_as_if_undisturbed(here, tmp_path_factory)
    tell(
        f"a disk of results and work that refuses from a random moment on ({os.strerror(getattr(errors, error))})",
        systems=system,
        tried=N_POINTS,
    )


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("system", ["clip4mc", "speaker", "pose"])
def test_a_disk_without_room_for_one_file_more_is_told_and_costs_nothing(
    system: str, tmpfs: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for n_files in (12, 30, 45):
        here = fresh(system, tmp_path / f"here{n_files}", tmp_path_factory)
        (tmpfs / str(n_files)).mkdir()
        (here.folder / "results").symlink_to(tmpfs / str(n_files))
        used = int(subprocess.check_output(["df", "--output=iused", str(tmpfs)]).split()[1])
        remount(tmpfs, f"nr_inodes={used + n_files}")
        ran = here.run(timeout_s=LONG_S)
        remount(tmpfs, "nr_inodes=100000")
        if ran.code:
            assert "No space left on device" in ran.text
            assert "`df -i` of files" in ran.text
        assert "Traceback (most recent" not in ran.text, ran.text
        here.make(timeout_s=LONG_S)
        assert_as_if_undisturbed(here, tmp_path_factory)
    tell("a disk that has room but no inodes", systems=system, tried=3)


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["work", "logs", ".snakemake"])
def test_a_full_disk_of_plans_logs_or_snakemake_costs_nothing_that_was_made(
    folder: str, tmpfs: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    here = fresh("clip4mc", tmp_path / "here", tmp_path_factory)
    (here.folder / folder).symlink_to(tmpfs)
    filler = fill(tmpfs)
    ran = here.run()
    assert ran.code == 0 or "No space left on device" in ran.text, ran.text
    if folder == "work":
        assert "and run again" in ran.text
        assert "Traceback (most recent" not in ran.text, ran.text
    filler.unlink()
    here.run("--unlock")
    here.make()
    assert_as_if_undisturbed(here, tmp_path_factory)
    tell("a full disk below work, logs or .snakemake", systems="clip4mc", tried=1)


def test_a_full_disk_of_the_locks_of_gpus_is_told(tmpfs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locks = tmpfs / "locks"
    with fake_gpus(monkeypatch, locks, "GPU-0"):
        filler = fill(tmpfs)
        remount(tmpfs, "nr_inodes=3")
        said = r"No space left on device: the locks that keep jobs apart .*gpus: \[\]"
        with pytest.raises(JobError, match=said), lease(1):
            pass
        filler.unlink()
        remount(tmpfs, "nr_inodes=100")
        with lease(1) as held:
            assert len(held) == 1
    tell("a full disk below the locks of GPUs", systems="all that use one", tried=1)


def test_a_full_disk_keeps_the_checkpoints_of_a_training(tmpfs: Path) -> None:
    folder = CheckpointFolder(tmpfs / "checkpoints", "mine")
    value = {"weights": torch.arange(2_000_000, dtype=torch.float32)}
    folder.save("1.pt", value, step=1)
    filler = fill(tmpfs)
    with pytest.raises(JobError, match=r"2\.pt: not written .*; make room .* goes on from the checkpoint before"):
        folder.save("2.pt", value, step=2)
    assert [path.name for path in folder.folder.iterdir()] == ["1.pt"]
    newest = folder.newest()
    assert newest is not None
    assert read_checkpoint(folder.folder / "1.pt").step == newest.step == 1
    filler.unlink()
    folder.save("2.pt", value, step=2)
    tell("a disk full while a checkpoint is written", systems="cnclip, fgclip", tried=1)
