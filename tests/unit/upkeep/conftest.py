"""The toy system's dataset, for what is done to datasets as a whole."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.toy_system import SharedToy, Toy
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


@pytest.fixture(scope="session")
def _shared_once(tmp_path_factory: pytest.TempPathFactory) -> SharedToy:
    root = tmp_path_factory.mktemp("shared")
    made = SharedToy(root, keys=["ann/b.wav", "ann/a.wav", "bob/a.wav", "c.wav", "bob/e.wav"])
    for key in made.keys:
        made.source(key).parent.mkdir(parents=True, exist_ok=True)
        made.source(key).write_text(f"bad {key}" if key == "bob/e.wav" else f"text {key}")
    made.run()
    release()
    return made


@pytest.fixture
def made_shared(_shared_once: SharedToy, tmp_path: Path) -> Iterator[SharedToy]:
    """As `made_toy`, with files in folders that the samples share: `upper/ann`, `count/ann`, `upper/bob`, ..."""
    shutil.copytree(_shared_once.root, tmp_path / "shared")
    yield replace(_shared_once, root=tmp_path / "shared", keys=list(_shared_once.keys))
    release()
