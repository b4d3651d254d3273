from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.speaker.figures.matrix import color_range, matrix_figure, spaced
from scripts.speaker.figures.similarity import block_means, even_edges
from tests.unit.speaker.figures.made import divided, unit, voices


def test_few_files_are_a_cell_each() -> None:
    rows = voices([6, 4])
    figure = matrix_figure(divided(10, 6, reference=(6,)), block_means(rows, even_edges(10, 512)), title="speaker")
    axes = figure.axes[0]
    (image,) = axes.images
    assert np.asarray(image.get_array()) == pytest.approx(unit(rows) @ unit(rows).T, abs=1e-6)
    assert tuple(image.get_extent()) == (-0.5, 9.5, 9.5, -0.5)  # row i is at i
    assert [label.get_text() for label in axes.get_yticklabels()] == ["speaker_001", "speaker_002"]
    assert axes.get_yticks().tolist() == [2.5, 7.5]
    assert np.asarray(axes.lines[0].get_xdata()).tolist() == [5.5]
    assert [segment[0, 0] for segment in axes.collections[0].get_segments()] == [5.5]  # type: ignore[attr-defined]


def test_the_speakers_of_a_large_collection_are_named_as_far_as_there_is_room() -> None:
    blocks = np.random.default_rng(0).standard_normal((512, 4))
    axes = matrix_figure(divided(10_000, *range(10, 10_000, 10)), blocks, title="speaker").axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names[0] == "speaker_001"
    assert 40 < len(names) < 60
    assert not axes.collections  # no line a boundary


def test_the_colours_leave_out_the_diagonal_and_the_most_extreme() -> None:
    similarity = np.full((100, 100), 0.5)
    np.fill_diagonal(similarity, 1.0)
    similarity[3, 4] = similarity[4, 3] = -0.9
    lowest, highest = color_range(similarity)
    assert lowest == 0.5
    assert 0.5 < highest < 0.6


def test_a_single_file_has_a_range_of_colours_too() -> None:
    assert color_range(np.ones((1, 1))) == (0.0, 1.0)


@settings(derandomize=True)
@given(places=st.lists(st.floats(0, 1e6), min_size=1, unique=True).map(sorted), apart=st.floats(0.1, 1e5))
def test_names_keep_their_distance_and_begin_with_the_first(places: list[float], apart: float) -> None:
    chosen = spaced(places, apart=apart)
    assert chosen[0] == 0
    assert all(places[b] - places[a] >= apart for a, b in pairwise(chosen))
