import io

import numpy as np
import pytest
from PIL import Image

from scripts.pose.figures.png import png_bytes


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (40, 7)])
def test_a_png_holds_the_picture_and_its_resolution(shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(5).integers(0, 256, (*shape, 3), dtype=np.uint8)
    image = Image.open(io.BytesIO(png_bytes(picture, dpi=150)))
    assert image.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(image), picture)
    assert [round(float(dpi), 1) for dpi in image.info["dpi"]] == [150.0, 150.0]


def test_a_png_holds_nothing_else() -> None:
    content = png_bytes(np.zeros((2, 2, 3), np.uint8), dpi=100)
    kinds, at = [], 8
    while at < len(content):
        kinds.append(content[at + 4 : at + 8])
        at += 12 + int.from_bytes(content[at : at + 4], "big")
    assert kinds == [b"IHDR", b"pHYs", b"IDAT", b"IEND"]
    assert content == png_bytes(np.zeros((2, 2, 3), np.uint8), dpi=100)
