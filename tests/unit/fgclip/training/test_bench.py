"""The baseline of the training bench does the work that it tells of; bench and checks of a GPU run on the CPU."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.bench.fgclip import bench_fgclip_training_gpu, guide_order, training_step
from tests.bench.fgclip.guide_order import decode, frames_of_a_video, read_video
from tests.bench.table import NotMeasured
from tests.gpu import fgclip_checks
from tests.odd_videos import x264

TINY = "tiny"
OPTIONS = replace(training_step.FULL, num_frames=4, accumulation=1, frame_chunk=4)


@pytest.fixture(autouse=True)
def switches() -> Iterator[None]:
    """Leave torch as it was."""
    torch.set_num_threads(1)
    yield
    torch.use_deterministic_algorithms(False)


def test_the_baseline_sees_the_first_frames_of_a_video_alone_and_black_ones_for_regions_that_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guide_order, "FIRST_FRAMES", 30)
    x264(n_frames=42)(tmp_path / "long.mp4")
    assert len(decode(tmp_path / "long.mp4", 16)) == 30
    frames = read_video(tmp_path / "long.mp4", 1, 8, 16)
    assert frames.shape == (frames_of_a_video(8), 16, 16, 3) == (16, 16, 16, 3)
    assert [bool(frame.any()) for frame in frames] == [True] * 10 + [False] * 6


def test_both_ways_learn_from_made_up_videos() -> None:
    for make in (training_step.our_step, training_step.guides_step):
        step = make(replace(OPTIONS, lr=1e-3), "cpu", TINY)
        losses = [step() for _ in range(4)]
        assert len(set(losses)) == len(losses)
        assert min(losses[1:]) < losses[0]


def test_the_bench_has_a_row_for_each_way() -> None:
    rows = bench_fgclip_training_gpu.rows("cpu", OPTIONS, (4, 16), TINY, n_steps=1)
    assert [(row[0], row[1]) for row in rows] == [
        ("guide's order of work", 32),
        ("ours, frame_chunk 4", 16),
        ("ours, frame_chunk 16", 16),
    ]
    assert all(len(row) == len(bench_fgclip_training_gpu.EMPTY.columns) for row in rows)


def test_without_a_gpu_the_bench_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_fgclip_training_gpu, "why_no_gpu", lambda: "no GPU answers")
    with pytest.raises(NotMeasured, match="no GPU answers"):
        bench_fgclip_training_gpu.run()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"DEVICE": "cpu", "CLIP": TINY, "NUM_FRAMES": 4}.items():
        monkeypatch.setattr(fgclip_checks, name, value)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("check", fgclip_checks.CHECKS, ids=lambda check: check.__name__)
def test_the_checks_of_a_gpu_hold_on_the_cpu(check: Any, tmp_path: Path) -> None:
    assert check(tmp_path)


@pytest.mark.usefixtures("small")
def test_a_card_that_scores_otherwise_each_time_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scripts.fgclip.scoring.scorer import VideoScorer

    real = VideoScorer.encode

    def encode(self: VideoScorer, frames: Any) -> Any:
        seen = real(self, frames)
        return seen._replace(margin_map=seen.margin_map + 1e-4 * torch.rand(()))

    monkeypatch.setattr(VideoScorer, "encode", encode)
    with pytest.raises(AssertionError, match="other bytes"):
        fgclip_checks.check_scores_are_those_of_the_cpu(tmp_path)
