import hashlib
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from scripts.pose.figures.palette import CHAIN_COLORS, rgb
from scripts.pose.figures.renderer import SIZE, TITLE_HEIGHT, pose_png
from tests.unit.pose.figures.motions import KIT, T2M, clips, kit_pose, standing

ROOT = Path(__file__).parents[4]
IN_ANOTHER_PROCESS = """
import hashlib
from scripts.pose.figures.renderer import pose_png
from tests.unit.pose.figures.motions import T2M, standing
print(hashlib.sha256(pose_png(standing(), T2M, "A person waving")).hexdigest())
"""


def pixels(content: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(content)))


def chains_inked(picture: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Which chain's colour each pixel has, 0 for none; without the corner of the legend, which no pose reaches."""
    red, green, blue = np.moveaxis(picture[TITLE_HEIGHT:, :1040].astype(np.int64), -1, 0)
    numbers = [sum(part << shift for part, shift in zip(rgb(color), (16, 8, 0), strict=True)) for color in CHAIN_COLORS]
    packed = red << 16 | green << 8 | blue
    return np.select([packed == number for number in numbers], range(1, 6), 0)


def test_a_picture_is_1200_pixels_square_at_150_dpi() -> None:
    image = Image.open(io.BytesIO(pose_png(standing(), T2M, "A person waving")))
    assert (image.format, image.size, image.mode) == ("PNG", (1200, 1200), "RGB")
    assert [round(float(dpi), 1) for dpi in image.info["dpi"]] == [150.0, 150.0]


def test_equal_poses_give_equal_bytes_whatever_was_drawn_before_and_in_another_process(tmp_path: Path) -> None:
    first = pose_png(standing(), T2M, "A person waving")
    pose_png(clips()["roll"][5] * 3, T2M, "something else, much longer than the title before it was")
    assert pose_png(standing(), T2M, "A person waving") == first
    # Another user: other settings of matplotlib, another order of hashes.
    (tmp_path / "matplotlibrc").write_text("font.size: 30\ngrid.color: red\nfont.family: monospace\nsavefig.dpi: 37\n")
    env = {**os.environ, "PYTHONHASHSEED": "77", "MATPLOTLIBRC": str(tmp_path), "LANG": "C"}
    ran = subprocess.run(
        [sys.executable, "-c", IN_ANOTHER_PROCESS], cwd=ROOT, env=env, check=True, capture_output=True, text=True
    )
    assert ran.stdout.strip() == hashlib.sha256(first).hexdigest()


def test_the_title_is_above_the_pose() -> None:
    one, other = (pixels(pose_png(standing(), T2M, title)) for title in ("A person waving", "A person jumping"))
    assert (one[:TITLE_HEIGHT] != other[:TITLE_HEIGHT]).any()
    np.testing.assert_array_equal(one[TITLE_HEIGHT:], other[TITLE_HEIGHT:])
    jumping = pixels(pose_png(clips()["jump"][17], T2M, "A person waving"))
    np.testing.assert_array_equal(one[:TITLE_HEIGHT], jumping[:TITLE_HEIGHT])
    assert (one[TITLE_HEIGHT:] != jumping[TITLE_HEIGHT:]).any()


def test_a_long_caption_is_cut_as_the_specification_says() -> None:
    caption = "A person walks forward, turns around and sits down on a chair"
    assert pose_png(standing(), T2M, caption) == pose_png(standing(), T2M, caption[:47] + "...")


@pytest.mark.parametrize("name", ["walk", "crawl", "cartwheel", "backflip", "getup_faceup", "spinkick"])
def test_the_figures_of_real_motions_are_whole_and_legible(name: str) -> None:
    motion = clips()[name]
    inked = chains_inked(pixels(pose_png(motion[len(motion) // 2], T2M, name)))
    assert (np.bincount(inked.ravel(), minlength=6)[1:] > 300).sum() >= 4  # a limb may hide behind the others
    rows, columns = np.nonzero(inked)
    assert rows.min() > 5
    assert rows.max() < SIZE - TITLE_HEIGHT - 40
    assert columns.min() > 40


def test_kit_poses_are_drawn_as_large_as_people_are() -> None:
    rows, _ = np.nonzero(chains_inked(pixels(pose_png(kit_pose(), KIT, "A person walks"))))
    assert 450 < np.ptp(rows) < 800


def test_a_pose_of_another_skeleton_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(21, 3\) is not the shape"):
        pose_png(kit_pose(), T2M, "A person walks")
