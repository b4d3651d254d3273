from itertools import combinations, pairwise

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from scripts.speaker.figures.palette import COLORS, color_of, ink_on, marker_of, speakers_of, strip

# Machado, Oliveira and Fernandes (2009): what linear RGB looks like without one kind of cone.
SEEN_BY = {
    "all cones": np.eye(3),
    "no red ones": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green ones": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "no blue ones": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


def lab(color: str, cones: str) -> NDArray[np.float64]:
    """CIE L*a*b* of a colour as an eye sees it."""
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = (np.array(SEEN_BY[cones]) @ linear).clip(0, 1)
    xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]] @ seen
    part = xyz / [0.9505, 1.0, 1.089]
    f = np.where(part > 0.008856, np.cbrt(part), 7.787 * part + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def difference(one: str, other: str, cones: str) -> float:
    """1 is what an eye can just tell apart."""
    return float(np.linalg.norm(lab(one, cones) - lab(other, cones)))


@pytest.mark.parametrize("cones", SEEN_BY)
def test_speakers_beside_each_other_have_colours_that_every_eye_tells_apart(cones: str) -> None:
    colors = [color_of(speaker) for speaker in range(2 * len(COLORS))]
    assert min(difference(one, other, cones) for one, other in pairwise(colors)) > 24


@pytest.mark.parametrize("cones", SEEN_BY)
def test_no_two_colours_look_alike_to_any_eye_nor_like_the_paper(cones: str) -> None:
    assert min(difference(one, other, cones) for one, other in combinations([*COLORS, "white"], 2)) > 10


def test_all_named_speakers_differ_in_colour_or_marker() -> None:
    assert len({(color_of(speaker), marker_of(speaker)) for speaker in range(21)}) == 21


@pytest.mark.parametrize("color", COLORS)
def test_a_name_on_a_colour_is_in_the_ink_that_differs_more(color: str) -> None:
    other = {"black": "white", "white": "black"}[ink_on(color)]
    lightness = [abs(lab(color, "all cones")[0] - lab(ink, "all cones")[0]) for ink in (ink_on(color), other)]
    assert lightness[0] > lightness[1]


def test_a_row_belongs_to_the_speaker_whose_range_holds_it() -> None:
    assert speakers_of(np.arange(6), [0, 2, 3, 6]).tolist() == [0, 0, 1, 2, 2, 2]
    assert speakers_of(np.arange(3), [0, 3]).tolist() == [0, 0, 0]


def test_the_strip_changes_its_colour_at_the_boundaries() -> None:
    first, second, third = (to_rgb(color_of(speaker)) for speaker in range(3))
    assert [tuple(pixel) for pixel in strip([0, 2, 3, 6], 0, 6, 6)[0]] == [first, first, second, third, third, third]
    assert [tuple(pixel) for pixel in strip([0, 2, 3, 6], 1, 4, 6)[0]] == [first, first, second, second, third, third]


def test_the_strip_of_more_speakers_than_pixels_has_as_many_pixels_as_any() -> None:
    assert strip(list(range(10_001)), 0, 10_000, 100).shape == (1, 100, 3)
