"""What `make gpu` runs: it needs little, says why it skips, and its checks fail where they must."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from av.video.frame import VideoFrame

from scripts.shared.video import frames, nvdec
from tests.gpu import checks
from tests.snakemake_run import ROOT
from tests.soft_card import Factory, soft_context

BARE = """
import importlib, sys, sysconfig
for module in ("tests.gpu.checks", "tests.gpu.__main__", "tests.bench.bench_nvdec", "tests.bench.run"):
    importlib.import_module(module)
places = {sysconfig.get_paths()[name] for name in ("purelib", "platlib")}
brought = {name.split(".")[0] for name, module in sys.modules.items()
           if str(getattr(module, "__file__", "")).startswith(tuple(places))}
print(*sorted(brought))
"""


def python(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("POLYMILL", "COV"))}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=clean | {"CUDA_VISIBLE_DEVICES": ""} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_av_and_numpy_are_all_that_the_checks_and_the_bench_import() -> None:
    ran = python("-c", BARE)
    assert set(ran.stdout.split()) <= {"av", "numpy", "pynvml", "_distutils_hack"}, ran.stderr


def test_without_a_gpu_the_checks_are_skipped_with_the_reason_unless_one_is_required() -> None:
    ran = python("-m", "tests.gpu")
    assert (ran.returncode, ran.stdout.startswith("skipped: no GPU answers")) == (0, True)
    ran = python("-m", "tests.gpu", POLYMILL_REQUIRE_GPU="1")
    assert (ran.returncode, ran.stdout.startswith("FAILED: no GPU answers")) == (1, True)


@pytest.fixture
def soft(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(nvdec, "hardware_context", soft_context)
    monkeypatch.setattr(frames, "this_card", frames.this_card)
    monkeypatch.setattr(checks, "made", lambda _: [("demo", next(CLIPS.glob("*.mp4")), "nvdec")])
    return monkeypatch


CLIPS = ROOT / "tests" / "data" / "demo" / "clip4mc" / "clips"
IN_SOFTWARE = (checks.check_bytes, checks.check_decoders_are_kept, checks.check_a_gpu_that_vanishes)


@pytest.mark.parametrize("check", IN_SOFTWARE, ids=lambda check: check.__name__)
def test_a_good_card_passes(check: Any, soft: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "nvdec" in check(tmp_path) or check is not checks.check_bytes


def second_half_darker(number: int, given: list[VideoFrame]) -> list[VideoFrame]:
    if number < 20:
        return given
    dark = [VideoFrame.from_ndarray(frame.to_ndarray() // 2, format="nv12") for frame in given]
    for frame, original in zip(dark, given, strict=True):
        frame.pts = original.pts
    return dark


@pytest.mark.parametrize("check", [checks.check_bytes, checks.check_decoders_are_kept])
def test_a_card_that_decodes_wrongly_after_its_first_picture_is_found_out(
    check: Any, soft: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    soft.setattr(nvdec, "hardware_context", Factory(second_half_darker))
    with pytest.raises(AssertionError, match="other bytes"):
        check(tmp_path)


def test_a_card_that_takes_more_memory_with_each_clip_is_found_out(soft: pytest.MonkeyPatch, tmp_path: Path) -> None:
    used = iter(range(0, 1 << 40, 16 << 20))
    soft.setattr(checks, "_used_bytes", lambda: next(used))
    soft.setattr(checks, "read", lambda *_: frames.this_card())
    with pytest.raises(AssertionError, match="MiB more"):
        checks.check_memory_stays(tmp_path)
    soft.setattr(checks, "_used_bytes", lambda: 1 << 30)
    assert "0 MiB growth" in checks.check_memory_stays(tmp_path)
