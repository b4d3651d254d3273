import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.shared.figures.style import drawable
from scripts.speaker.boundaries.confidence import describe
from scripts.speaker.figures.uncertain import close_ups, least_certain, shortened, uncertain_figure
from tests.unit.speaker.figures.made import boundary, divided, unit, voices


def test_the_least_certain_come_first_and_unreliable_ones_before_others() -> None:
    found = (
        boundary(1, confidence=0.9),
        boundary(2, confidence=0.2),
        boundary(3, confidence=0.95, reliable=False),
        boundary(4, confidence=0.2),
    )
    assert least_certain(found) == [2, 1, 3, 0]
    assert len(least_certain(found * 5)) == 9


def test_files_are_compared_with_the_means_of_the_two_speakers_beside_the_boundary() -> None:
    rows, units = voices([40, 30, 20]), unit(voices([40, 30, 20]))
    (seen,) = close_ups(rows, divided(90, 40, 70), [1])
    means = [units[40:70].mean(axis=0), units[70:90].mean(axis=0)]
    left, right = (units[55:85] @ (mean / np.linalg.norm(mean)) for mean in means)
    assert seen.rows.tolist() == list(range(55, 85))
    assert seen.left == pytest.approx(left, abs=1e-5)
    assert seen.right == pytest.approx(right, abs=1e-5)


def test_the_probability_of_the_place_chosen_is_the_confidence_in_it() -> None:
    rows = voices([40, 30, 20, 8], spread=1.5)
    indices = [0, 38, 70, 91, 98]
    seen = close_ups(rows, divided(98, *indices[1:-1]), range(3))
    for closeup, index, described in zip(seen, indices[1:-1], describe(rows, indices), strict=True):
        (chosen,) = closeup.probabilities[closeup.rows[1:] == index]
        assert chosen == pytest.approx(described.confidence)
        assert closeup.probabilities.sum() <= 1 + 1e-9
    assert min(closeup.probabilities.max() for closeup in seen) < 0.9


def test_at_the_ends_of_the_collection_fewer_files_are_shown() -> None:
    (seen,) = close_ups(voices([2, 3]), divided(5, 2), [0])
    assert seen.rows.tolist() == [0, 1, 2, 3, 4]


def test_a_panel_names_speakers_files_confidence_and_margin() -> None:
    segmentation = divided(30, boundary(20, confidence=0.345, margin=float("inf"), reliable=False), reference=(19,))
    seen = close_ups(voices([20, 10]), segmentation, [0])
    figure = uncertain_figure(segmentation, seen, {19: "a/$x_1$.wav", 20: "a/2.wav"}, title="speaker")
    (axes,) = figure.axes
    assert axes.get_title("left").split("\n") == [
        "speaker_001 | 002: confidence 0.34, margin inf, unreliable",
        "19 before: a/$x_1$.wav",
        "20 after: a/2.wav",
    ]
    assert not axes.title.get_parse_math()
    left, right, chosen, reference = axes.lines
    assert np.asarray(chosen.get_xdata()).tolist() == [19.5, 19.5]
    assert np.asarray(reference.get_xdata()).tolist() == [18.5]
    assert np.asarray(left.get_ydata())[0] > np.asarray(right.get_ydata())[0]


def test_long_names_of_any_letters_stay_over_their_panel() -> None:
    segmentation = divided(40, 10, 20, 30)
    rows = voices([10] * 4)
    long = {row: f"{row}/{'很长' * 60}/{'W' * 90}.wav" for row in (9, 10, 19, 20, 29, 30)}
    seen = close_ups(rows, segmentation, range(3))
    figure = uncertain_figure(segmentation, seen, long, title="speaker")
    figure.draw_without_rendering()
    titles = [axes._left_title.get_window_extent() for axes in figure.axes]  # type: ignore[attr-defined]
    assert not any(one.overlaps(other) for i, one in enumerate(titles) for other in titles[:i])
    assert titles[-1].x1 <= figure.bbox.x1


@settings(derandomize=True)
@given(text=st.text(max_size=80), room=st.integers(5, 60))
def test_a_shortened_text_fits_and_keeps_its_beginning_and_its_end(text: str, room: int) -> None:
    whole = drawable(text)
    short = shortened(text, lambda words: len(words) <= room)
    assert len(short) <= room
    if len(whole) <= room:
        assert short == whole
    else:
        head, _, tail = short.partition("...") if "..." not in whole else ("", "", "")
        assert whole.startswith(head)
        assert whole.endswith(tail)
        assert len(short) == room


def test_without_a_boundary_the_picture_says_so() -> None:
    (axes,) = uncertain_figure(divided(3), [], {}, title="speaker").axes
    assert [text.get_text() for text in axes.texts] == ["no boundary was found"]
