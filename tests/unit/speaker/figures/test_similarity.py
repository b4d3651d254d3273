from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.speaker.boundaries import unit_rows
from scripts.speaker.figures.similarity import adjacent_similarity, block_means, even_edges, gather
from tests.unit.speaker.figures.made import unit, voices


@pytest.mark.parametrize("chunk_rows", [1, 4, 7, 100])
def test_adjacent_similarity_is_the_cosine_of_each_row_and_the_next(
    chunk_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unit_rows, "CHUNK_ROWS", chunk_rows)
    rows = voices([9, 5])
    direct = np.diagonal(unit(rows) @ unit(rows).T, 1)
    assert adjacent_similarity(rows) == pytest.approx(direct, abs=1e-6)


def test_a_single_row_has_no_neighbour() -> None:
    assert adjacent_similarity(voices([1])).shape == (0,)


@pytest.mark.parametrize("n_blocks", [1, 3, 14, 512])
def test_products_of_block_means_are_the_mean_cosines_between_the_blocks(n_blocks: int) -> None:
    rows = voices([9, 5])
    edges = even_edges(len(rows), n_blocks)
    cosines = unit(rows) @ unit(rows).T
    direct = [[cosines[a:b, c:d].mean() for c, d in pairwise(edges)] for a, b in pairwise(edges)]
    means = block_means(rows, edges)
    assert means @ means.T == pytest.approx(np.array(direct), abs=1e-6)


@settings(derandomize=True)
@given(n=st.integers(1, 5000), most=st.integers(1, 700))
def test_even_edges_cover_everything_in_stretches_that_differ_by_one_at_most(n: int, most: int) -> None:
    edges = even_edges(n, most)
    lengths = np.diff(edges)
    assert (edges[0], edges[-1], len(lengths)) == (0, n, min(n, most))
    assert lengths.min() >= 1
    assert lengths.max() - lengths.min() <= 1


def test_a_column_has_the_median_and_the_minimum_of_its_files() -> None:
    values = np.random.default_rng(0).uniform(-1, 1, 1001).astype(np.float32)
    columns = gather(values, 130)
    parts = np.split(values, columns.edges[1:-1])
    assert columns.median.tolist() == [np.median(part) for part in parts]
    assert columns.minimum.tolist() == [part.min() for part in parts]
    assert (len(parts), columns.edges[-1]) == (130, 1001)


def test_fewer_values_than_columns_are_a_column_each() -> None:
    values = np.array([0.5, 0.25, 0.75], np.float32)
    columns = gather(values, 130)
    assert columns.median.tolist() == columns.minimum.tolist() == values.tolist()
