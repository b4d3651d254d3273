"""Packing that is killed, anywhere, and packing onto a full disk: the next job goes on, to the same bytes."""

import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from scripts.shared import layout
from scripts.shared.errors import JobError
from tests.faults.forked_jobs import ended_within, start, status_of
from tests.faults.tally import tell
from tests.faults.test_disks import small_disk as small_disk
from tests.toy_system import Toy
from tests.unit.shared.conftest import release
from tests.unit.upkeep.packing.toy_packing import contents, inodes, pack, packed, shards

SEED = 3407
PLACES = 4
MOST_IN_A_ROW = 4


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """Thirty-six samples in three shards, which were packed before a third of them changed: `before/`."""
    made = Toy(tmp_path_factory.mktemp("toy"), keys=[f"k{number:02d}" for number in range(36)], shard_size=12)
    made.sources.mkdir()
    for key in made.keys:
        made.source(key).write_text(f"text {key}")
    made.run(workers=1)
    release()
    pack(made, PLACES)
    packed(made).rename(made.root / "before")
    for key in made.keys[::3]:
        made.source(key).write_text(f"other {key}")
    made.run(workers=1)
    release()
    return made


def begin(toy: Toy, *, anew: bool) -> None:
    shutil.rmtree(packed(toy), ignore_errors=True)
    if not anew:
        shutil.copytree(toy.root / "before", packed(toy))  # with its times


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kills", [5, pytest.param(400, marks=pytest.mark.slow)])
def test_packing_killed_at_random_moments_ends_with_the_same_bytes(kills: int, toy: Toy, tmp_path: Path) -> None:
    draw, done = random.Random(SEED), 0
    begin(toy, anew=True)
    began = time.monotonic()
    pack(toy, PLACES)
    lasts_s, expected = time.monotonic() - began, contents(toy)
    index = (packed(toy) / "index.json").read_bytes()
    whole = {*expected.values(), *(path.read_bytes() for path in (toy.root / "before").glob("*.tar"))}
    while done < kills:
        begin(toy, anew=draw.random() < 0.5)
        for _ in range(draw.randint(1, MOST_IN_A_ROW)):
            pid = start(lambda: pack(toy, PLACES) and None, tmp_path / "log")
            if not ended_within(pid, draw.uniform(0, 1.5 * lasts_s)):
                os.kill(pid, signal.SIGKILL)
                done += 1
            assert status_of(pid) in (0, -signal.SIGKILL), (tmp_path / "log").read_text()
            assert whole.issuperset(contents(toy).values())
        before = dict(inodes(toy))
        told = [packed(toy) / name for name, data in contents(toy).items() if data == expected.get(name)]
        pack(toy, PLACES)
        assert contents(toy) == expected
        assert (packed(toy) / "index.json").read_bytes() == index
        assert list(packed(toy).rglob(".polymill-*")) == []
        # Of what was right at most the one tar whose record was not yet written is made once more.
        assert sum(before[path.name] != path.stat().st_ino for path in told) <= 1
        marked = inodes(toy)
        pack(toy, PLACES)
        assert inodes(toy) == marked
    tell("packing killed by SIGKILL at a random moment", systems="all that pack", tried=done)


def test_packing_onto_a_full_disk_says_so_and_goes_on_when_there_is_room(toy: Toy, small_disk: Path) -> None:
    begin(toy, anew=True)
    pack(toy, PLACES)
    expected = contents(toy)
    begin(toy, anew=True)
    packed(toy).symlink_to(small_disk)
    filler = small_disk / "filler"
    filler.write_bytes(b"0" * (1024 * 1024 - 48 * 1024))
    with pytest.raises(JobError, match=r"\[toy toys 0000\d\] .*No space left on device.*make room"):
        pack(toy, PLACES)
    found = contents(toy)
    assert 0 < len(found) < len(expected)
    assert found.items() <= expected.items()
    assert list(small_disk.rglob(".polymill-*")) == []
    filler.unlink()
    marked = inodes(toy)
    pack(toy, PLACES)
    assert contents(toy) == expected
    assert {name: inode for name, inode in inodes(toy).items() if name in marked} == marked
    assert len(list(layout.state_dir(packed(toy)).iterdir())) == len(shards(toy))
    packed(toy).unlink()
    tell("a disk full while tars are written", systems="all that pack", tried=1)
