import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scripts.speaker.figures.segmentation import Segmentation
from scripts.speaker.figures.track import dense, draw_line, fitting_name, gathers, track_legend, track_lines
from tests.unit.speaker.figures.made import boundary, divided


def line(segmentation: Segmentation, adjacent: np.ndarray, lines: list[tuple[int, int]], number: int = 0) -> Axes:
    axes = Figure(figsize=(15, 3)).add_subplot()
    draw_line(axes, segmentation, adjacent.astype(np.float32), lines, number)
    return axes


def labels(segmentation: Segmentation, lines: list[tuple[int, int]]) -> list[str]:
    return [str(handle.get_label()) for handle in track_legend(segmentation, lines)]


@settings(derandomize=True)
@given(n=st.integers(1, 10_000), data=st.data())
def test_the_lines_of_the_track_hold_each_file_once(n: int, data: st.DataObject) -> None:
    lines = track_lines(n, data.draw(st.integers(1, n)))
    assert [row for start, end in lines for row in range(start, end)] == list(range(n))
    assert all(start < end for start, end in lines)


@pytest.mark.parametrize(("n_speakers", "n_lines"), [(1, 1), (200, 1), (201, 2), (1000, 5), (300_000, 5)])
def test_many_speakers_are_drawn_on_up_to_five_lines(n_speakers: int, n_lines: int) -> None:
    assert len(track_lines(1_000_000, n_speakers)) == n_lines


def test_the_similarity_of_two_files_stands_between_them_and_a_boundary_on_it() -> None:
    axes = line(divided(5, 2, boundary(4, confidence=0.3)), np.array([0.9, 0.2, 0.8, 0.7]), [(0, 5)])
    curve, *_ = axes.lines
    assert np.asarray(curve.get_xdata()).tolist() == [0.5, 1.5, 2.5, 3.5]
    assert np.asarray(curve.get_ydata()) == pytest.approx([0.9, 0.2, 0.8, 0.7])
    sure, doubted = (lines.get_segments() for lines in axes.collections)  # type: ignore[attr-defined]
    assert [segment[0, 0] for segment in sure] == [1.5]
    assert [segment[0, 0] for segment in doubted] == [3.5]


def test_a_later_line_begins_with_the_pair_across_its_start() -> None:
    lines = [(0, 3), (3, 6)]
    axes = line(divided(6, 3, reference=(3,)), np.arange(5) / 10, lines, number=1)
    curve, *others = axes.lines
    assert np.asarray(curve.get_xdata()).tolist() == [2.5, 3.5, 4.5]
    assert np.asarray(curve.get_ydata()) == pytest.approx([0.2, 0.3, 0.4])
    assert axes.get_xlim() == (2.5, 5.5)
    assert np.asarray(others[-1].get_xdata()).tolist() == [2.5]


def test_columns_of_many_files_stand_where_their_files_do() -> None:
    n = 14_001
    adjacent = np.ones(n - 1)
    adjacent[9_999] = 0.1  # between the files 9,999 and 10,000
    axes = line(divided(n, 10_000), adjacent, [(0, n)])
    band, median = (patch.get_data() for patch in axes.patches)  # type: ignore[attr-defined]
    (lowest,) = np.flatnonzero(np.asarray(band.baseline) < 0.5)
    assert (band.edges[0], band.edges[-1]) == (0, n - 1)
    assert band.edges[lowest] <= 9_999.5 <= band.edges[lowest + 1]
    assert set(median.values) == {1.0}


def test_a_boundary_without_enough_confidence_or_reliability_is_uncertain() -> None:
    lines = [(0, 9)]
    assert "uncertain boundary" in labels(divided(9, boundary(3, confidence=0.69)), lines)
    assert "uncertain boundary" in labels(divided(9, boundary(3, reliable=False)), lines)
    assert "uncertain boundary" not in labels(divided(9, boundary(3, confidence=0.7)), lines)


def test_boundaries_closer_than_lines_can_be_are_shown_by_the_strip_alone() -> None:
    close = divided(1000, *range(5, 1000, 5), reference=tuple(range(5, 1000, 5)))
    lines = track_lines(1000, len(close.speaker_ids))
    assert dense(close, lines)
    axes = line(close, np.full(999, 0.5), lines)
    assert "boundary found" not in labels(close, lines)
    assert sum(len(lines.get_segments()) for lines in axes.collections) == 0  # type: ignore[attr-defined]
    assert len(np.asarray(axes.lines[-1].get_xdata())) == 199  # the reference's, as ticks


def test_the_legend_names_what_is_drawn_and_nothing_else() -> None:
    assert labels(divided(9), [(0, 9)]) == ["cosine of a file and the next"]
    assert labels(divided(9, 3, reference=()), [(0, 9)])[1:] == ["boundary found", "boundary of the reference"]
    assert gathers([(0, 5000)])
    assert labels(divided(5000), [(0, 5000)]) == ["median of a column of files", "down to the lowest"]


def test_a_speaker_is_named_as_there_is_room() -> None:
    assert fitting_name("speaker_012", room_px=100) == "speaker_012"
    assert fitting_name("speaker_012", room_px=30) == "012"
    assert fitting_name("speaker_012", room_px=10) == ""


def test_names_in_the_strip_stand_over_their_speakers() -> None:
    axes = line(divided(10, 4), np.full(9, 0.9), [(0, 10)])
    (band,) = axes.child_axes
    assert [(text.get_text(), text.get_position()[0]) for text in band.texts] == [
        ("speaker_001", 1.5),
        ("speaker_002", 6.5),
    ]
