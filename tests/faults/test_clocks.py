"""Clocks that were wrong: files of the future and of the past. Nothing is made twice, and nothing stale is kept."""

import os
import time
from pathlib import Path

import pytest

from scripts.shared import layout
from scripts.shared.planning.planner import plan_dataset
from tests.faults.places import assert_as_if_undisturbed, fresh, struck
from tests.faults.tally import tell
from tests.snakemake_run import Workplace, contents, make_clip, marks, remade
from tests.toy_system import Toy
from tests.unit.shared.conftest import release
from tests.unit.shared.conftest import toy as toy

DAY_S = 24 * 3600


def set_clock(here: Workplace, seconds: float, *, folders: tuple[str, ...] = ("results", "work", ".snakemake")) -> None:
    """Date all that a run left as a wrong clock would have; the finished samples' own files stay."""
    for folder in folders:
        for path in (here.folder / folder).rglob("*"):
            if path.is_file() and not path.is_symlink() and "sample_" not in str(path.relative_to(here.folder)):
                found = path.stat()
                os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + round(seconds * 1e9)))


def test_plans_and_receipts_of_the_future_are_dated_down(toy: Toy) -> None:
    toy.run()
    future = time.time() + DAY_S
    dated = [layout.plan_file(toy.work / "words", "00000"), layout.receipt_file(toy.work / "words", "00001")]
    dated.append(toy.dataset_dir / "index.json")
    for path in dated:
        os.utime(path, (future, future))
    release()
    assert plan_dataset(toy.stage(), scratch=None).n_to_make == 0
    assert all(path.stat().st_mtime <= time.time() for path in dated)


def test_ledgers_and_members_of_any_time_say_the_same(toy: Toy) -> None:
    toy.run()
    for years in (-50, 50):
        for path in toy.state.rglob("*"):
            os.utime(path, (time.time() + years * 365 * DAY_S,) * 2)
        release()
        assert plan_dataset(toy.stage(), scratch=None).n_to_make == 0
        assert toy.due(plan_dataset(toy.stage(), scratch=None)) == []
    tell("times of ledgers and members set fifty years back or forth", systems="the planner", tried=2)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [DAY_S, -DAY_S, 20 * 365 * DAY_S, -20 * 365 * DAY_S])
def test_a_finished_tree_whose_clock_was_wrong_needs_nothing_and_a_change_costs_its_sample(
    seconds: float, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    here = fresh("clip4mc", tmp_path / "here", tmp_path_factory)
    here.make()
    set_clock(here, seconds)
    before = marks(here.dataset)
    here.make()  # an index may be written once more, to the same bytes
    assert marks(here.dataset) == before
    assert_as_if_undisturbed(here, tmp_path_factory)
    set_clock(here, seconds)
    make_clip(here.clip(0), seed=77)
    here.make()
    assert remade(before, marks(here.dataset)) == {0}
    other = fresh("clip4mc", tmp_path / "other", tmp_path_factory)
    make_clip(other.clip(0), seed=77)
    other.make()
    assert contents(here.dataset) == contents(other.dataset)
    assert here.run().nothing_to_do
    tell("a clock that was wrong and was put right", systems="clip4mc", tried=2)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [DAY_S, -DAY_S])
@pytest.mark.parametrize("on", ["rule_index.py", "rule_frames.py replace"])
def test_an_index_is_not_stale_where_the_clock_was_set_back_and_the_run_killed_before_it(
    on: str, seconds: float, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    here = fresh("clip4mc", tmp_path / "here", tmp_path_factory)
    here.make()
    set_clock(here, seconds)
    here.pairs.append({**here.pair(9), "clip_path": "clip1.mp4"})
    here.save()
    assert here.run(environment=struck(here, on=on, at=0, how="after", who="group"), cores=1).code != 0
    here.run("--unlock")
    here.make()
    assert here.listed() == [0, 1, 2, 3, 9]
    assert here.run().nothing_to_do
    tell("a clock set back or forth, and the run killed before its index", systems="clip4mc", tried=1)
