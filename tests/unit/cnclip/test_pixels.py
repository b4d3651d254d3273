import hashlib
import io
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.cnclip.pixels import as_uint8, normalised, pixel_values
from scripts.shared.clip_pixels import MEAN, STD

GOLDEN = np.load("tests/data/golden/cnclip/preprocess_golden.npz")
MODES = sorted(key.removesuffix("/file") for key in GOLDEN if key.endswith("/file"))


def shipped(name: str) -> Path:
    """Where the wheels of scikit-image and scikit-learn keep a picture; neither is imported."""
    package, folder = ("sklearn", "datasets/images") if name in ("china.jpg", "flower.jpg") else ("skimage", "data")
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / folder / name


def opened(name: str) -> Image.Image:
    return Image.open(io.BytesIO(GOLDEN[f"{name}/file"].tobytes()) if name in MODES else shipped(name))


@pytest.mark.parametrize("name", [*GOLDEN["names"].tolist(), *MODES])
def test_pixels_are_upstreams(name: str) -> None:
    picture, index = opened(name), GOLDEN["index224"]
    assert f"{picture.width}x{picture.height} {picture.mode}" == str(GOLDEN[f"{name}/size_mode"])
    for size in (64, 224):
        rows = np.ascontiguousarray(as_uint8(picture, size).transpose(1, 2, 0))
        assert hashlib.sha256(rows.tobytes()).hexdigest() == str(GOLDEN[f"{name}/uint8_{size}_sha256"])
    large, small = pixel_values(picture, 224), pixel_values(picture, 64)
    assert large.dtype == np.float32
    assert np.array_equal(large[np.ix_(range(3), index, index)], GOLDEN[f"{name}/out224_sample"])
    assert np.array_equal(small[:, ::4, ::4], GOLDEN[f"{name}/out64_sample"])


def test_mean_and_deviation_are_clips() -> None:
    assert GOLDEN["mean"].tolist() == list(MEAN)
    assert GOLDEN["std"].tolist() == list(STD)


def test_wide_picture_is_squashed_and_nothing_is_cropped() -> None:
    wide = Image.new("RGB", (90, 30), "black")
    wide.paste("white", (0, 0, 15, 30))  # would be cut off by a crop of the middle square
    assert as_uint8(wide, 32)[:, 16, 0].tolist() == [255, 255, 255]


def test_bytes_of_a_batch_become_what_each_picture_becomes() -> None:
    pictures = [opened(name) for name in ("mode/rgba.png", "mode/cmyk.jpg")]
    batch = np.stack([as_uint8(picture, 32) for picture in pictures])
    assert np.array_equal(normalised(batch), np.stack([pixel_values(picture, 32) for picture in pictures]))
