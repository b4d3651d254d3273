"""Damaged state through the `snakemake` command: what a user sees of it, in every system of samples."""

import random
from pathlib import Path

import pytest

from tests.faults.places import assert_as_if_undisturbed, fresh
from tests.faults.tally import tell
from tests.faults.test_damaged_state import DAMAGES
from tests.snakemake_run import Place

KINDS = {
    "ledger": "results/**/.state/*/ledger/*.jsonl",
    "members file": "results/**/.state/members",
    "plan": "work/*/*/*/plan/*.json",
    "receipt": "work/*/*/*/receipt/*.json",
    "index plan": "work/*/*/index/plan.json",
}


def damage(here: Place, kind: str, draw: random.Random) -> Path:
    path = draw.choice(sorted(here.folder.glob(KINDS[kind])))
    path.write_bytes(draw.choice(DAMAGES)(path.read_bytes(), draw))
    return path


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("system", ["clip4mc", "speaker", "pose", "fgclip", "search"])
def test_damage_of_any_kind_is_survived_without_a_traceback_and_leads_to_the_same_end(
    system: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    here = fresh(system, tmp_path / "here", tmp_path_factory)
    here.make(timeout_s=600)
    draw = random.Random(system)
    for kind in KINDS:
        path = damage(here, kind, draw)
        ran = here.run(timeout_s=600)
        assert "Traceback (most recent" not in ran.text, ran.text
        assert ran.code == 0, ran.text
        if kind in ("plan", "index plan"):
            assert f"{path.relative_to(here.folder)}: damaged, or of another version; made anew" in ran.text
        assert_as_if_undisturbed(here, tmp_path_factory)
    tell("damaged state, through the command", systems=system, tried=len(KINDS))
