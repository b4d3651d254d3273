"""Runs that are killed, anywhere: the next one goes on, and the tree ends as if nothing had happened.

`sitecustomize.py` beside this file counts every rename, removal, row and flush that a run does to its results and
work folders, over all its processes, and kills at the event asked for. `make faults` kills at each of them.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from scripts.clip4mc.stage import frames_stage
from scripts.shared.config import load_config
from scripts.shared.planning.planner import plan_dataset
from tests.faults import tally
from tests.snakemake_run import ROOT, Ran, Workplace, contents, leftovers, make_clip

RETRY = ("--config", "retry_failed=true")


@dataclass(frozen=True)
class Scenario:
    """What a killed run was about: how its tree is prepared, and the run's arguments."""

    prepare: Callable[[Workplace], None]
    arguments: tuple[str, ...] = ()


def nothing_made(_: Workplace) -> None:
    pass


def two_sources_changed(here: Workplace) -> None:
    here.make()
    for number in (0, 2):
        make_clip(here.clip(number), seed=100 + number)


def one_source_spoilt(here: Workplace) -> None:
    here.make()
    here.clip(1).write_bytes(b"no clip any more")


def one_mended_unnoticed(here: Workplace) -> None:
    whole = here.clip(0).read_bytes()
    here.clip(0).write_bytes(b"x" * len(whole))
    os.utime(here.clip(0), ns=(10**18, 10**18))
    here.make()
    here.clip(0).write_bytes(whole)
    os.utime(here.clip(0), ns=(10**18, 10**18))


SCENARIOS = {
    "a fresh run": Scenario(nothing_made),
    "a run that replaces samples": Scenario(two_sources_changed),
    "a run that finds a sample spoilt": Scenario(one_source_spoilt),
    "a retry of failures": Scenario(one_mended_unnoticed, RETRY),
}
STRIKES = [("before", "group"), ("after", "self"), ("torn", "group")]


@dataclass
class Prepared:
    """A scenario's tree before the run, and what the run gives when nothing disturbs it."""

    scenario: Scenario
    here: Workplace
    expected: dict[str, str]
    events: list[str]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Prepared]:
    made: dict[str, Prepared] = {}

    def prepare(name: str) -> Prepared:
        if name not in made:
            folder = tmp_path_factory.mktemp("scenario")
            here = Workplace.create(folder / "before", n_clips=3)
            SCENARIOS[name].prepare(here)
            undisturbed = here.copy(folder / "undisturbed")
            ran = run_with_fault(undisturbed, SCENARIOS[name], at=-1, how="before", who="self")
            assert ran.code == 0, ran.text
            events = (undisturbed.folder / "events").read_text().splitlines()
            made[name] = Prepared(SCENARIOS[name], here, outcome(undisturbed), events)
        return made[name]

    return prepare


def run_with_fault(here: Workplace, scenario: Scenario, *, at: int, how: str, who: str) -> Ran:
    fault = {
        "counter": str(here.folder / "events"),
        "folders": [str(here.folder / "results"), str(here.folder / "work")],
        "at": at,
        "how": how,
        "who": who,
    }
    environment = {"PYTHONPATH": str(ROOT / "tests" / "faults"), "POLYMILL_FAULT": json.dumps(fault)}
    return here.run(*scenario.arguments, cores=1, environment=environment)


def outcome(here: Workplace) -> dict[str, str]:
    """All that a finished run leaves, without its memory and the plans' random numbers."""
    results = contents(here.folder / "results")
    work = contents(here.folder / "work", without=("plan", "plan.json"))
    return {**{f"results/{k}": v for k, v in results.items()}, **{f"work/{k}": v for k, v in work.items()}}


def kill_and_go_on(prepared: Prepared, folder: Path, *, at: int, how: str, who: str, ask_again: bool) -> None:
    here = prepared.here.copy(folder)
    first = run_with_fault(here, prepared.scenario, at=at, how=how, who=who)
    struck = folder / "events.struck"
    arguments = prepared.scenario.arguments
    if not struck.exists():
        assert first.code == 0, first.text
    elif struck.read_text().startswith("worker") and who == "self":
        # A worker that dies costs its sample; the run itself ends well.
        assert first.code == 0, first.text
        assert "worker_died" in (here.dataset / "failures.csv").read_text()
        arguments = RETRY
    else:
        assert first.code != 0, first.text
    second = here.run(*arguments, cores=1)
    if "LockException" in second.text:
        assert here.run("--unlock").code == 0
        second = here.run(*arguments, cores=1)
    assert second.code == 0, second.text
    assert outcome(here) == prepared.expected
    assert leftovers(folder) == []
    assert_nothing_planned(here)
    if ask_again:
        third = here.run(cores=1)
        assert third.nothing_to_do, third.text


def assert_nothing_planned(here: Workplace) -> None:
    scratch = here.folder / "scratch"
    scratch.mkdir()
    before = Path.cwd()
    os.chdir(here.folder)
    try:
        config = load_config(yaml.safe_load(Path("config.yaml").read_text()), lambda _: "config.yaml")
        plan = plan_dataset(frames_stage(config, "train"), scratch=scratch)
    finally:
        os.chdir(before)
    assert plan.n_to_make == 0
    assert list(scratch.iterdir()) == []


# One of each scenario, struck in turn; `make faults` has the others, and then every point there is.
SPREAD = [
    pytest.param(
        *(name, *strike, (2 * number + 1) / 24 if strike[0] != "torn" else 0.3 + number / 24),
        marks=pytest.mark.slow if number % 3 != number // 3 % 3 else (),
    )
    for number, (name, strike) in enumerate((name, strike) for name in SCENARIOS for strike in STRIKES)
]


@pytest.mark.parametrize(("name", "how", "who", "place"), SPREAD)
def test_a_killed_run_goes_on_to_the_same_end(
    name: str, how: str, who: str, place: float, prepared: Callable[[str], Prepared], tmp_path: Path
) -> None:
    scenario = prepared(name)
    points = points_of(scenario, how)
    at = points[int(place * len(points))]
    kill_and_go_on(scenario, tmp_path / "here", at=at, how=how, who=who, ask_again=True)
    tally.tell(tally.KILL_POINTS, systems="clip4mc", tried=1)


def points_of(scenario: Prepared, how: str) -> list[int]:
    """The events to strike at: all, or those that write bytes at once where half of them may be written."""
    return [n for n, event in enumerate(scenario.events) if how != "torn" or event.split(" ")[2] == "write"]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize(("how", "who"), [*STRIKES, ("before", "self"), ("after", "group")])
def test_every_kill_point_leads_to_the_same_end(
    name: str, how: str, who: str, prepared: Callable[[str], Prepared], tmp_path: Path
) -> None:
    scenario = prepared(name)
    wrong = []
    for at in points_of(scenario, how):
        try:
            kill_and_go_on(scenario, tmp_path / f"at{at}", at=at, how=how, who=who, ask_again=at % 4 == 0)
        except AssertionError as error:
            wrong.append(f"at {scenario.events[at]}: {error}")
    print(f"{len(points_of(scenario, how))} kill points, {how} {who}, {name}: {len(wrong)} wrong")
    assert not wrong, "\n\n".join(wrong)
    tally.tell(tally.KILL_POINTS, systems="clip4mc", tried=len(points_of(scenario, how)))
