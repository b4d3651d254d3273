import numpy as np
import pytest

from scripts.fgclip.figures.heat import at_frames, colour_bar, colour_span, frames_to_show, heated

GREY = np.full((24, 48, 3), 90, np.uint8)


def test_colours_span_all_frames_of_a_video() -> None:
    maps = np.stack([np.full((2, 2), value, np.float32) for value in range(21)])
    assert colour_span(maps) == (1.0, 20.0)


def test_a_map_without_differences_has_a_span_too() -> None:
    low, high = colour_span(np.zeros((3, 2, 2), np.float32))
    assert low < high
    assert (heated(GREY, np.zeros((2, 2), np.float32), (low, high)) == GREY).all()


def test_between_scored_frames_values_are_linear_and_beyond_them_constant() -> None:
    scored = np.array([0, 4, 8])
    values = np.array([[0.0], [4.0], [0.0]], np.float32)
    assert at_frames(scored, values, np.array([0, 1, 4, 6, 8, 30]))[:, 0].tolist() == [0.0, 1.0, 4.0, 2.0, 0.0, 0.0]


def test_colour_lies_where_the_margin_does_and_grows_with_it() -> None:
    margins = np.zeros((2, 4), np.float32)
    margins[1, 3] = 1.0
    drawn = heated(GREY, margins, (0.0, 1.0)).astype(int)
    change = np.abs(drawn - 90).sum(axis=2)
    assert not change[:6].any()
    assert not change[:, :30].any()
    corner, halfway = change[-1, -1], change[12, -1]
    assert corner > halfway > 0
    assert heated(GREY, margins, (0.0, 1.0))[12, -1].tolist() != heated(GREY, margins, (0.0, 2.0))[12, -1].tolist()


def test_margins_beyond_the_span_have_its_colours() -> None:
    over, at = (heated(GREY, np.full((2, 2), value, np.float32), (0.0, 1.0)) for value in (7.0, 1.0))
    assert (over == at).all()
    assert (heated(GREY, np.full((2, 2), -7.0, np.float32), (0.0, 1.0)) == GREY).all()


def test_the_colour_bar_has_the_colours_of_the_map() -> None:
    ground = np.full((4, 4, 3), 110, np.uint8)
    hottest = heated(ground, np.ones((2, 2), np.float32), (0.0, 1.0))[0, 0]
    assert np.round(np.array(colour_bar()(1.0))[:3] * 255).tolist() == hottest.tolist()


def test_each_stretch_shows_its_highest_frame() -> None:
    scored, scores = np.arange(0, 40, 4), np.array([0, 5, 1, 0, 0, 0, 9, 0, 0, 3], np.float32)
    assert frames_to_show(scored, scores, [], n_frames=40, most=2).tolist() == [1, 6]


def test_an_event_that_the_model_missed_is_shown_all_the_same() -> None:
    scored, scores = np.arange(0, 40, 4), np.array([0, 5, 1, 0, 0, 0, 9, 0, 0, 3], np.float32)
    assert frames_to_show(scored, scores, [(34, 40)], n_frames=40, most=2).tolist() == [1, 9]


@pytest.mark.parametrize("n", [1, 3, 8])
def test_of_few_scored_frames_all_are_shown(n: int) -> None:
    places = frames_to_show(np.arange(n), np.zeros(n, np.float32), [(0, 1)], n_frames=n, most=8)
    assert places.tolist() == list(range(n))
