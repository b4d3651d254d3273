"""The search's index, killed while it is made: what serves is the old one or the new one, and nothing is lost."""

import os
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scripts.search.database import Asset, AssetVectors, asset_id, open_database, write_database
from scripts.shared import atomic_files
from tests.faults import tally
from tests.faults.places import assert_as_if_undisturbed, fresh, struck
from tests.snakemake_run import finish

KILLS = 20
MID_INDEX = "an index of pictures and videos killed by SIGKILL while it is made"
META = {
    "dataset": "x", "encoder": "toy", "model": "toy", "model_identity": "toy", "tokenizer_identity": "toy", "dim": 2,
    "dtype": "float32", "frame_interval": 2, "min_score": "",
}  # fmt: skip


def write(path: Path, dataset: str) -> None:
    """An index large enough that writing it takes some time."""
    names = [f"a/{number}.jpg" for number in range(3000)]
    assets = [Asset(asset_id(name), name, "image") for name in names]

    def vectors() -> Iterator[AssetVectors]:
        for asset in assets:
            yield AssetVectors(asset.id, np.array([[0, 1]], np.float32), np.zeros(0))

    write_database(path, {**META, "dataset": dataset}, {"a": "a"}, [replace(asset) for asset in assets], vectors())


def test_an_index_that_is_killed_while_it_is_written_is_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "assets.db"
    whole = {}
    for name in ("old", "new"):
        began = time.monotonic()
        write(path, name)
        lasts_s = time.monotonic() - began
        whole[name] = path.read_bytes()
    moments, seen = random.Random(3407), []
    for number in range(KILLS):
        pid = os.fork()
        if not pid:
            write(path, ("old", "new")[number % 2])
            os._exit(0)
        time.sleep(moments.uniform(0, 1.1 * lasts_s))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        seen.append(path.read_bytes())
        with open_database(path) as database:
            assert len(database.vectors()[0]) == 3000
    assert set(seen) <= set(whole.values())
    left = [file for file in tmp_path.iterdir() if file != path]
    assert left  # most were killed half-way
    atomic_files.remove_leftovers_beside(path)  # as the next job begins
    assert list(tmp_path.iterdir()) == [path]
    tally.tell(MID_INDEX, systems="search", tried=KILLS)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_run_that_is_killed_in_mid_index_ends_as_if_undisturbed(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    counted = fresh("search", tmp_path / "counted", tmp_path_factory)
    run = counted.start("--nolock", cores=1, environment=struck(counted, at=-1, who="group"))
    assert finish(run, 300).code == 0
    n_events = len((counted.folder / "events").read_text().splitlines())
    n_struck = 0
    for number in range(KILLS):
        here = fresh("search", tmp_path / f"{number}", tmp_path_factory)
        at, how = number * (n_events - 2) // (KILLS - 1), ("before", "after")[number % 2]
        run = here.start("--nolock", cores=1, environment=struck(here, at=at, how=how, who="group"))
        ran = finish(run, 300)
        n_struck += (here.folder / "events.struck").exists()  # not after what the system refused
        assert ran.code != 0 or set(here.failures().values()) <= {"worker_died"}
        here.make("--nolock", "--config", "retry_failed=true", timeout_s=300)
        assert_as_if_undisturbed(here, tmp_path_factory)
    assert n_struck > KILLS // 2
    tally.tell(tally.KILL_POINTS, systems="search", tried=n_struck)
