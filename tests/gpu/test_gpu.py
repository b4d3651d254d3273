"""The checks of all suites as tests; without a GPU they are skipped, or fail where POLYMILL_REQUIRE_GPU is set."""

import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from scripts.shared.video import frames
from tests.gpu import (
    checks,
    cnclip_checks,
    cnclip_export_checks,
    fgclip_checks,
    pose_checks,
    search_checks,
    speaker_checks,
)

pytestmark = pytest.mark.gpu
SUITES = (checks, speaker_checks, pose_checks, cnclip_checks, cnclip_export_checks, fgclip_checks, search_checks)
CHECKS = [(suite, check) for suite in SUITES for check in suite.CHECKS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


@pytest.mark.parametrize(("suite", "check"), CHECKS, ids=[check.__name__ for _, check in CHECKS])
def test_gpu(suite: ModuleType, check: Callable[[Path], str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if why := suite.why_no_gpu():
        if os.environ.get("POLYMILL_REQUIRE_GPU"):
            pytest.fail(why)
        pytest.skip(why)
    monkeypatch.setattr(frames, "this_card", frames.this_card)  # the checks put others in its place
    check(folder)
