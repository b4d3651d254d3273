"""What `make gpu` runs: it needs little, says why it skips, and its checks fail where they must."""

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from av.video.frame import VideoFrame

from scripts.shared.video import frames, nvdec
from tests.gpu import __main__ as gpu_main
from tests.gpu import checks, speaker_checks
from tests.snakemake_run import ROOT
from tests.soft_card import Factory, soft_context

BARE = """
import importlib, sys, sysconfig
for module in ("tests.gpu.checks", "tests.gpu.speaker_checks", "tests.gpu.pose_checks", "tests.gpu.cnclip_checks",
               "tests.gpu.cnclip_export_checks", "tests.bench.cnclip.bench_cnclip_encoding_gpu",
               "tests.gpu.__main__", "tests.bench.cnclip.bench_cnclip_training_gpu",
               "tests.bench.cnclip.bench_cnclip_decoding_gpu",
               "tests.bench.bench_nvdec", "tests.bench.speaker.bench_embedding_gpu", "tests.bench.pose.bench_pose_gpu",
               "tests.gpu.fgclip_checks", "tests.gpu.search_checks",
               "tests.bench.fgclip.bench_fgclip_training_gpu", "tests.bench.run"):
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
    assert (ran.returncode, ran.stdout.count("skipped: no GPU answers")) == (0, 7)
    ran = python("-m", "tests.gpu", POLYMILL_REQUIRE_GPU="1")
    assert (ran.returncode, ran.stdout.count("FAILED: no GPU answers")) == (1, 7)


@pytest.mark.parametrize(("required", "word"), [("", "skipped"), ("1", "FAILED")])
def test_a_package_that_is_missing_costs_only_the_checks_that_need_it(
    required: str, word: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def needs_soundfile(_: Path) -> str:
        raise ModuleNotFoundError(name="soundfile")

    monkeypatch.setenv("POLYMILL_REQUIRE_GPU", required)
    monkeypatch.setattr(speaker_checks, "why_no_gpu", lambda: None)
    monkeypatch.setattr(speaker_checks, "CHECKS", (needs_soundfile, lambda _: "seen"))
    monkeypatch.setattr(gpu_main, "SUITES", ("tests.gpu.no_such", "tests.gpu.speaker_checks"))
    assert gpu_main.main() == len(required)
    missing, check, other = capsys.readouterr().out.splitlines()
    assert missing == f"{word}: the Python package tests.gpu.no_such is missing: bring it along"
    assert check == f"{word}: needs_soundfile: the Python package soundfile is missing: bring it along"
    assert other.startswith("<lambda>: seen (")


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


class Wrong:
    """A speaker model on a card that spoils what it computes."""

    def __init__(self, encoder: Any, spoil: Any) -> None:
        self.encoder, self.spoil = encoder, spoil

    def embed(self, batch: Any) -> Any:
        return self.spoil(self.encoder.embed(batch))


def nothing(embeddings: Any) -> Any:
    return embeddings


def noise(embeddings: Any) -> Any:
    return embeddings + np.float32(0.01) * embeddings.std() * np.arange(embeddings.shape[1])


def place_of_rows(embeddings: Any) -> Any:
    return embeddings * (1 + np.float32(2**-22) * np.arange(len(embeddings)))[:, None].astype(np.float32)


SPEAKER_CHECKS = (speaker_checks.check_golden_embeddings, speaker_checks.check_rows_know_nothing_of_each_other)


@pytest.mark.parametrize(
    ("check", "spoil", "found"),
    [
        *[(check, nothing, None) for check in SPEAKER_CHECKS],
        (SPEAKER_CHECKS[0], noise, "from its golden embeddings"),
        (SPEAKER_CHECKS[1], place_of_rows, "the place of a row tells"),
    ],
)
def test_a_card_that_computes_embeddings_wrongly_is_found_out(
    check: Any, spoil: Any, found: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = speaker_checks.load
    monkeypatch.setattr(speaker_checks, "load", lambda model, **_: Wrong(real(model), spoil))
    for name, value in {"FAMILIES": ("resnet34",), "PRECISIONS": ("float32",), "_FRAMES": 64}.items():
        monkeypatch.setattr(speaker_checks, name, value)
    with pytest.raises(AssertionError, match=found) if found else nullcontext():
        assert check(tmp_path)
