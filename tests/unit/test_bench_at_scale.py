"""What a finished dataset costs to plan, counted, not timed: it grows with the samples and no faster."""

import cProfile
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from scripts.shared.config import read_config
from scripts.shared.planning import planner
from scripts.shared.planning.planner import plan_dataset
from scripts.systems import SYSTEMS
from tests.bench import at_scale
from tests.bench.pose.pose_job import write_config
from tests.bench.scale import KINDS

STEP = 50  # samples
# What the page on scale says that a plan asks about, of each sample more.
ASKED = {kind.title.lower(): kind.looks for kind in KINDS}
_counts: Counter[str] = Counter()
_counting = False


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if _counting and event in ("open", "os.listdir", "os.scandir"):
        _counts["opened or listed"] += 1


sys.addaudithook(_hook)  # no process gets rid of one


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Counts files opened or listed, files asked about, and calls of functions."""
    global _counting
    stat, profile = os.stat, cProfile.Profile()

    def ask(*arguments, **named):  # type: ignore[no-untyped-def]
        _counts["asked"] += 1
        return stat(*arguments, **named)

    _counts.clear()
    _counting = True
    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", ask)
        profile.enable()
        try:
            yield _counts
        finally:
            profile.disable()
            _counting = False
    _counts["calls"] = sum(entry.callcount for entry in profile.getstats())


def write(system: str, folder: Path, n: int) -> Path:
    """As the bench does, but for the model of poses: the one of the demo needs no torch here."""
    if system != "pose":
        config: Path = at_scale.made_up(system).write(folder, n)
        return config
    path = write_config(folder, n, checkpoints="tiny")
    options = yaml.safe_load(path.read_text())
    options["pose"]["motions"] = "tests/data/demo/pose"
    path.write_text(yaml.safe_dump(options))
    return path


def cost_of_planning(system: str, n: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """What planning a finished dataset of n samples takes."""
    monkeypatch.setattr(planner, "_held_locks", [])
    module = at_scale.made_up(system)
    config = write(system, folder / f"{n}", n)
    module.finish_run(config)
    (folder / f"scratch{n}").mkdir()
    with counted(monkeypatch) as counts:
        for stage in SYSTEMS[system].stages(read_config(config), module.NAME):
            plan = plan_dataset(stage, scratch=folder / f"scratch{n}")
            assert plan.n_wanted == n
            assert not plan.n_to_make
    return Counter(counts)


@pytest.mark.parametrize("system", ASKED)
def test_a_finished_dataset_is_planned_with_a_fixed_number_of_looks_and_calls_a_sample(
    system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, three = (cost_of_planning(system, steps * STEP, tmp_path, monkeypatch) for steps in (1, 2, 3))
    assert one["opened or listed"] == two["opened or listed"] == three["opened or listed"]
    assert three["asked"] - two["asked"] == two["asked"] - one["asked"] == ASKED[system] * STEP
    assert three["calls"] - two["calls"] == pytest.approx(two["calls"] - one["calls"], rel=0.02)
