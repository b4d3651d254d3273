from pathlib import Path

import pytest

from tests.unit.fgclip.figures.made import Made, make_dataset


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The dataset; tests that change it make one of their own."""
    folder: Path = tmp_path_factory.mktemp("scored")
    return make_dataset(folder)
