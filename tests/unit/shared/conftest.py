"""A small finished dataset of the toy system, for the tests of the spine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.shared.planning import planner
from tests.toy_system import Toy


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Toy]:
    """Four samples in two shards, planned by nobody yet."""
    made = Toy(tmp_path, keys=["d", "b", "c", "a"])
    made.sources.mkdir()
    for key in made.keys:
        made.source(key).write_text(f"text {key}")
    yield made
    release()


def release() -> None:
    """Let go of the datasets that this process planned, as its end would."""
    while planner._held_locks:
        planner._held_locks.pop().release()
