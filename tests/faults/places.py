"""A small workplace of each system of which nothing is made yet, and what a run that nobody disturbs makes of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cnclip_place import CnclipPlace
from tests.fgclip_place import FgclipPlace
from tests.pose_place import PosePlace
from tests.search_place import SearchPlace
from tests.snakemake_run import ROOT, Place, Workplace, contents, leftovers
from tests.speaker_place import SpeakerPlace

CREATE: dict[str, Callable[[Path], Any]] = {
    "clip4mc": lambda folder: Workplace.create(folder, n_clips=4),
    "speaker": lambda folder: SpeakerPlace.create(folder, (5, 4), shard_size=4, n_speakers=2),
    "pose": lambda folder: PosePlace.create(folder, [f"a person walks {n} steps" for n in range(5)], shard_size=3),
    "fgclip": lambda folder: FgclipPlace.create(folder, n_train=4, n_test=2),
    "search": lambda folder: SearchPlace.create(folder, n_pictures=4, n_videos=1),
    "cnclip": CnclipPlace.create,
}
SYSTEMS = list(CREATE)
# What shows how long things took, which attempt made them, or where the sources lie.
WITHOUT = (".state", "extraction_stats.json", "throughput.png", ".materialised.json", "timings.json")
_created: dict[str, Any] = {}
_made: dict[str, dict[str, str]] = {}


def fresh(system: str, folder: Path, base: pytest.TempPathFactory) -> Any:
    """A copy of the system's workplace, nothing made."""
    if system not in _created:
        _created[system] = CREATE[system](base.mktemp(f"fresh-{system}") / "here")
    return _created[system].copy(folder)


def struck(here: Place, **strike: Any) -> dict[str, str]:
    """The environment of a run in whose results and work something strikes; see `sitecustomize.py`."""
    folders = [str(here.folder / "results"), str(here.folder / "work")]
    fault = {"counter": str(here.folder / "events"), "folders": folders, "how": "before", **strike}
    return {"PYTHONPATH": str(ROOT / "tests" / "faults"), "POLYMILL_FAULT": json.dumps(fault)}


def undisturbed(system: str, base: pytest.TempPathFactory) -> dict[str, str]:
    """What a run that nobody disturbs makes: the digest of each file, by its path in the results folder."""
    if system not in _made:
        here = fresh(system, base.mktemp(f"undisturbed-{system}") / "here", base)
        here.make(timeout_s=600)
        _made[system] = contents(here.folder / "results", WITHOUT)
    return _made[system]


def assert_as_if_undisturbed(here: Place, base: pytest.TempPathFactory) -> None:
    """Its results are those of a run that nobody disturbed, nothing is left half-made, and nothing is to be done."""
    assert contents(here.folder / "results", WITHOUT) == undisturbed(here.system, base)
    assert leftovers(here.folder) == []
    ran = here.run(timeout_s=600)
    assert ran.nothing_to_do, ran.text
