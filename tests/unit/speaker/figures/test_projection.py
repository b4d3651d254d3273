import numpy as np
import pytest

from scripts.speaker.figures.projection import project
from tests.unit.speaker.figures.made import unit, voices


def test_components_are_those_of_a_singular_value_decomposition() -> None:
    rows = voices([20, 30, 10])
    units = unit(rows)
    left, values, _ = np.linalg.svd(units - units.mean(axis=0), full_matrices=False)
    projection = project(rows, n_files=1000, n_components=4)
    assert np.abs(projection.places) == pytest.approx(np.abs((left * values)[:, :4]), abs=1e-5)
    assert projection.shares == pytest.approx((values**2 / (values**2).sum())[:4], abs=1e-5)
    assert projection.rows.tolist() == list(range(60))


def test_of_many_files_evenly_spaced_ones_are_projected() -> None:
    projection = project(voices([1000, 24]), n_files=100, n_components=2)
    assert projection.places.shape == (100, 2)
    assert set(np.diff(projection.rows)) == {10, 11}


def test_a_turned_space_turns_the_picture_at_most_over() -> None:
    rows = voices([20, 30, 10])
    turn, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((16, 16)))
    places = [project(r, n_files=99, n_components=2).places for r in (rows, (rows @ turn).astype(np.float32))]
    assert np.abs(places[0]) == pytest.approx(np.abs(places[1]), abs=1e-4)


def test_a_component_points_where_its_largest_part_is_positive() -> None:
    rows = np.eye(3, dtype=np.float32)[[0, 0, 0, 1, 1, 2]]
    # The first axis of the data leads from the second corner to the first, whose part is the largest.
    assert project(rows, n_files=9, n_components=1).places[0, 0] > 0


@pytest.mark.parametrize("rows", [voices([1]), np.ones((3, 2), np.float32)])
def test_components_that_the_data_does_not_have_are_zero(rows: np.ndarray) -> None:
    projection = project(rows, n_files=99, n_components=4)
    assert projection.places == pytest.approx(np.zeros((len(rows), 4)), abs=1e-6)
    assert projection.shares == pytest.approx(np.zeros(4), abs=1e-6)
