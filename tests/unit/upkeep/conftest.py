"""The toy system's dataset, for what is done to datasets as a whole."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.toy_system import Toy
from tests.unit.shared.conftest import release
from tests.unit.shared.conftest import toy as toy


@pytest.fixture(scope="session")
def _made_once(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    root = tmp_path_factory.mktemp("toy")
    made = Toy(root, keys=["d", "b", "c", "a", "e"])
    made.sources.mkdir()
    for key in made.keys:
        made.source(key).write_text(f"bad {key}" if key == "e" else f"text {key}")
    made.run()
    release()
    return made


@pytest.fixture
def made_toy(_made_once: Toy, tmp_path: Path) -> Iterator[Toy]:
    """Five samples that were made, one of them in vain, in three shards."""
    shutil.copytree(_made_once.root, tmp_path / "toy")
    yield replace(_made_once, root=tmp_path / "toy", keys=list(_made_once.keys))
    release()
