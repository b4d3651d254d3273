"""Runs of the speaker system that are killed at any moment and started again."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.faults import tally
from tests.snakemake_run import contents, finish, leftovers
from tests.speaker_place import SpeakerPlace

VOICES = (7, 6)
# What shows how long things took, which attempt made them, or where the recordings lie.
WITHOUT = (".state", "extraction_stats.json", "throughput.png", ".materialised.json")
MOMENTS_S = (3.5, 7.0)
MORE_S = [(2, 4, 6, 8), (3, 3, 3), (9, 5), (12,)]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> SpeakerPlace:
    """Recordings of which nothing is embedded yet."""
    return SpeakerPlace.create(
        tmp_path_factory.mktemp("fresh") / "place", VOICES, shard_size=4, n_speakers=2, figures=True
    )


@pytest.fixture(scope="module")
def undisturbed(fresh: SpeakerPlace, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a run that nobody disturbs makes of them."""
    here = fresh.copy(tmp_path_factory.mktemp("undisturbed") / "place")
    here.make()
    return contents(here.dataset, WITHOUT)


@pytest.mark.parametrize("after_s", [MOMENTS_S, *(pytest.param(s, marks=pytest.mark.slow) for s in MORE_S)])
def test_a_run_that_is_killed_again_and_again_ends_as_if_undisturbed(
    after_s: tuple[float, ...], fresh: SpeakerPlace, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    here = fresh.copy(tmp_path / "place")
    for seconds in after_s:
        run = here.start()
        time.sleep(seconds)
        os.killpg(run.pid, signal.SIGKILL)
        finish(run)
        here.run("--unlock")
    here.make()
    assert contents(here.dataset, WITHOUT) == undisturbed
    assert leftovers(here.folder) == []
    assert here.run().nothing_to_do
    tally.tell(tally.COMMAND_KILLED, systems="speaker", tried=len(after_s))
