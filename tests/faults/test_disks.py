"""Disks that are full, read-only, or hold the results of a newer version."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.shared.ledger import FORMAT, decode_row, encode_row
from tests.snakemake_run import ROOT, Workplace, contents, everything, leftovers, make_clip

ROOM_LEFT = 40 * 1024


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    return Workplace.create(tmp_path_factory.mktemp("fresh") / "here", n_clips=4)


@pytest.fixture(scope="session")
def finished(fresh: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    here = fresh.copy(tmp_path_factory.mktemp("finished") / "here")
    here.make()
    return here


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a small file system: {mounted.stderr.decode().strip()} (needs root)")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_stops_with_a_word_and_the_run_goes_on_when_there_is_room(
    small_disk: Path, fresh: Workplace, finished: Workplace, tmp_path: Path
) -> None:
    here = fresh.copy(tmp_path / "here")
    (here.folder / "results").symlink_to(small_disk)
    filler = small_disk / "filler"
    filler.write_bytes(b"0" * (1024 * 1024 - ROOM_LEFT))
    ran = here.run()
    assert ran.code != 0
    assert "No space left on device" in ran.text
    assert "a defect of Polymill" not in ran.text
    for sample in here.dataset.glob("sample_*"):
        number = int(sample.name.split("_")[1])
        assert contents(sample) == contents(finished.sample(number))
    filler.unlink()
    here.make()
    assert contents(here.dataset) == contents(finished.dataset)
    assert leftovers(here.folder) == []
    assert here.run().nothing_to_do


def full_from(here: Workplace, event: int) -> "tuple[int, str]":
    fault = {
        "counter": str(here.folder / "events"),
        "folders": [str(here.folder / "results"), str(here.folder / "work")],
        "at": event,
        "how": "before",
        "who": "full",
    }
    environment = {"PYTHONPATH": str(ROOT / "tests" / "faults"), "POLYMILL_FAULT": json.dumps(fault)}
    ran = here.run(cores=1, environment=environment)
    return ran.code, ran.text


# On a finished tree with two clips replaced: members, a plan, a row, a sample's file, a receipt, the index.
@pytest.mark.parametrize("event", [3, 45, *(pytest.param(at, marks=pytest.mark.slow) for at in (0, 8, 13, 17, 22, 26))])
def test_a_disk_that_is_full_at_any_moment_costs_nothing_that_was_made(
    event: int, finished: Workplace, tmp_path: Path
) -> None:
    undisturbed, here = finished.copy(tmp_path / "undisturbed"), finished.copy(tmp_path / "here")
    for place in (undisturbed, here):
        make_clip(place.clip(0), seed=60)
        make_clip(place.clip(3), seed=63)
        place.pairs.append({**place.pair(9), "clip_path": "clip1.mp4"})
        place.save()
    undisturbed.make()
    code, text = full_from(here, event)
    if code != 0:
        assert "No space left on device" in text
        assert "Traceback (most recent" not in text, text
    here.make()
    assert contents(here.dataset) == contents(undisturbed.dataset)
    assert leftovers(here.folder) == []
    assert here.run().nothing_to_do


def test_read_only_results_stop_with_a_word(small_disk: Path, finished: Workplace, tmp_path: Path) -> None:
    here = finished.copy(tmp_path / "here")
    (here.folder / "results").rename(here.folder / "old")
    subprocess.run(["cp", "-a", str(here.folder / "old") + "/.", str(small_disk)], check=True)
    (here.folder / "results").symlink_to(small_disk)
    here.clip(0).touch()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    before = contents(small_disk, without=())
    ran = here.run()
    assert ran.code != 0
    assert "Read-only file system" in ran.text
    assert "Traceback (most recent" not in ran.text, ran.text
    # Snakemake itself complains of its protected files then; the words are said all the same.
    assert "1 to make: 1 source changed" in here.run("-n").text
    assert contents(small_disk, without=()) == before
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    here.make()
    assert contents(here.dataset) == contents(finished.dataset)
    assert here.run().nothing_to_do


def test_results_of_a_newer_version_are_left_alone(finished: Workplace, tmp_path: Path) -> None:
    here = finished.copy(tmp_path / "here")
    here.clip(0).touch()
    ledger = sorted((here.state / "frames" / "ledger").iterdir())[-1]
    first, *others = ledger.read_bytes().splitlines(keepends=True)
    row = decode_row(first)
    assert row is not None
    row = {key: value for key, value in row.items() if key != "crc"} | {"format": FORMAT + 1}
    ledger.write_bytes(encode_row(row) + b"".join(others))
    before = everything(here.dataset), everything(here.work)
    for arguments in ((), ("-n",), ("results/clip4mc/train/sample_000003_v3/size.json",)):
        ran = here.run(*arguments)
        assert ran.code != 0
        assert f"written by a newer version of Polymill (ledger format {FORMAT + 1}, this version knows" in ran.text
        assert "Traceback (most recent" not in ran.text
    after = everything(here.dataset), everything(here.work)
    changed = {name for name in before[0].keys() | after[0].keys() if before[0].get(name) != after[0].get(name)}
    assert changed <= {".state/run.lock", ".state"}
    assert before[1] == after[1]


def test_clips_on_a_disk_that_comes_and_goes_cost_nothing(
    small_disk: Path, finished: Workplace, tmp_path: Path
) -> None:
    here = finished.copy(tmp_path / "here")
    subprocess.run(["cp", "-a", str(here.folder / "clips") + "/.", str(small_disk)], check=True)
    here.options["clips_dir"] = os.fspath(small_disk)
    here.save()
    here.make()
    before = everything(here.dataset)
    subprocess.run(["umount", "-l", str(small_disk)], check=True)
    ran = here.run()
    assert "4 of 4 source files that were there before cannot be seen now" in ran.text
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small_disk)], check=True)
    subprocess.run(["cp", "-a", str(here.folder / "clips") + "/.", str(small_disk)], check=True)
    assert here.run().nothing_to_do
    after = everything(here.dataset)
    assert {name for name in after if after[name][1:] != before[name][1:]} <= {".state/run.lock"}
