"""Videos that Polymill writes."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from scripts.shared.video.frames import read_frames
from scripts.shared.video.writing import write_h264


def blocks(n: int, height: int = 48, width: int = 64) -> list[NDArray[np.uint8]]:
    """Frames of one grey each, every one lighter than the last."""
    return [np.full((height, width, 3), 20 + 20 * number, np.uint8) for number in range(n)]


def test_every_frame_comes_back_at_its_time(tmp_path: Path) -> None:
    write_h264(tmp_path / "a.mp4", blocks(9), fps=Fraction(30000, 1001), options={"crf": "12"})
    found = read_frames(tmp_path / "a.mp4", lambda n: np.arange(n), height=48, width=64)
    assert found.n_source_frames == 9
    assert np.allclose(found.frames.mean(axis=(1, 2, 3)), [20 + 20 * number for number in range(9)], atol=3)
    assert found.duration_s == pytest.approx(9 * 1001 / 30000, abs=0.002)


def test_equal_small_frames_that_move_give_equal_bytes(tmp_path: Path) -> None:
    noise = np.random.default_rng(3407).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    moving = [np.roll(noise, 2 * number, axis=1) for number in range(20)]
    for number in range(6):
        write_h264(tmp_path / f"{number}.mp4", moving, fps=10)
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


def test_an_odd_side_loses_its_last_line(tmp_path: Path) -> None:
    write_h264(tmp_path / "a.mp4", blocks(2, 33, 35), fps=10)
    found = read_frames(tmp_path / "a.mp4", lambda n: np.arange(n), height=32, width=34)
    assert (found.source_height, found.source_width) == (32, 34)


def test_no_frame_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a video of no frames"):
        write_h264(tmp_path / "a.mp4", [], fps=10)
    assert list(tmp_path.iterdir()) == []
