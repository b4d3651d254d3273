"""The checks of `checks` as tests; without a GPU they are skipped, or fail where POLYMILL_REQUIRE_GPU is set."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.shared.video import frames
from tests.gpu.checks import CHECKS, why_no_gpu

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_gpu(check: Callable[[Path], str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if why := why_no_gpu():
        if os.environ.get("POLYMILL_REQUIRE_GPU"):
            pytest.fail(why)
        pytest.skip(why)
    monkeypatch.setattr(frames, "this_card", frames.this_card)  # the checks put others in its place
    check(folder)
