"""A thousand kills at random moments, over all sample systems: none loses, doubles or spoils a sample."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults import tally
from tests.faults.killed_stages import PLACES, Killed
from tests.faults.random_kills import Campaign

SEED = 3407
KILLS = {"clip4mc": 300, "clip4mc-videos": 120, "speaker": 300, "pose": 130, "fgclip": 150, "search": 100}
A_FEW = 12


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Killed]:
    made: dict[str, Killed] = {}

    def prepare(name: str) -> Killed:
        if name not in made:
            made[name] = PLACES[name](tmp_path_factory.mktemp(name))
        return made[name]

    return prepare


@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    ("name", "seed", "kills"),
    [("clip4mc", 1, A_FEW), *(pytest.param(name, SEED, n, marks=pytest.mark.slow) for name, n in KILLS.items())],
)
def test_jobs_killed_at_random_moments_lose_double_and_spoil_nothing(
    name: str, seed: int, kills: int, place: Callable[[str], Killed], tmp_path: Path
) -> None:
    campaign = Campaign(place(name), tmp_path, seed)
    campaign.run(kills)
    print(f"{campaign.killed.name}: {dict(campaign.kills)} in {campaign.rounds} rounds, {campaign.torn} rows torn")
    tally.tell(
        "a shard job killed by SIGKILL at a random moment",
        systems=campaign.killed.name,
        tried=campaign.kills.total(),
        note=f"Kills at random moments: seed {SEED}, several in a row, of a job, its process group or one worker, also "
        "while a job that lost its run goes on; where a power cut could have taken the last row of the record, half "
        "of the time it is cut off too.",
    )
