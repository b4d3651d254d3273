import numpy as np
import pytest
from PIL import Image

from scripts.cnclip.training.augmentation import _CHANGES, augmented, crop_box


def photo(width: int = 60, height: int = 40) -> Image.Image:
    """A picture that is red on the left and blue on the right."""
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas[:, : width // 2, 0] = 200
    canvas[:, width // 2 :, 2] = 200
    return Image.fromarray(canvas)


def test_equal_keys_give_equal_pictures_and_others_do_not() -> None:
    first = augmented(photo(), 32, seed=1, epoch=2, pair=3)
    assert first.tobytes() == augmented(photo(), 32, seed=1, epoch=2, pair=3).tobytes()
    others = [augmented(photo(), 32, **{"seed": 1, "epoch": 2, "pair": 3, key: 9}) for key in ("seed", "epoch", "pair")]
    assert all(other.tobytes() != first.tobytes() for other in others)
    assert first.size == (32, 32)
    assert first.mode == "RGB"


def test_left_stays_left_and_colours_stay_what_they_are() -> None:
    for pair in range(100):
        found = np.asarray(augmented(photo(), 32, seed=0, epoch=0, pair=pair), np.float32)
        middle = found[8:24]
        assert middle[:, 4:12, 0].mean() > middle[:, 4:12, 2].mean() + 40
        assert middle[:, 20:28, 2].mean() > middle[:, 20:28, 0].mean() + 40


def test_a_crop_keeps_nine_tenths_of_the_area_and_lies_inside() -> None:
    random = np.random.default_rng(0)
    for size in ((60, 40), (400, 30), (7, 9)):
        for _ in range(200):
            left, upper, right, lower = crop_box(size, random)
            assert 0 <= left < right <= size[0]
            assert 0 <= upper < lower <= size[1]
            kept = (right - left) * (lower - upper) / (size[0] * size[1])
            assert kept > 0.88 or min(size) < 20


def test_a_picture_of_one_pixel_is_no_trouble() -> None:
    assert crop_box((1, 1), np.random.default_rng(0)) == (0, 0, 1, 1)
    assert augmented(Image.new("L", (1, 1), 255), 8, seed=0, epoch=0, pair=0).size == (8, 8)


@pytest.mark.parametrize("change", _CHANGES, ids=lambda change: change.__name__)
def test_a_change_of_no_strength_is_none_and_a_strong_one_is_mild(change: object) -> None:
    assert callable(change)
    random = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    picture = Image.fromarray(random).resize((64, 64), Image.Resampling.BICUBIC)
    still = np.asarray(change(picture, -0.0), np.float32)
    before = np.asarray(picture, np.float32)
    if change.__name__ != "_levels":
        assert np.abs(still - before).max() <= 1
    strong = np.asarray(change(picture, 1.0), np.float32)
    assert 0 < np.abs(strong - before).mean() < 70


def test_pictures_of_other_modes_are_taken() -> None:
    for mode in ("L", "RGBA", "P", "CMYK", "1"):
        assert augmented(photo().convert(mode), 16, seed=0, epoch=0, pair=0).mode == "RGB"
