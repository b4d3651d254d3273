from itertools import combinations

import numpy as np
import pytest

from scripts.cnclip.evaluation.recall import answered, chance, recalls


def test_any_right_id_among_the_first_answers_a_query() -> None:
    hits = answered([[1, 2, 3], [4, 5, 6, 7, 8, 9], [1]], [(3, 2), (9,), ()])
    assert hits.tolist() == [[False, True, True], [False, False, True], [False, False, False]]


def test_recalls_are_percentages_of_all_queries() -> None:
    found = recalls(np.array([[True, True, True], [False, True, True], [False, False, False]]))
    assert found == pytest.approx({"r1": 100 / 3, "r5": 200 / 3, "r10": 200 / 3, "mean_recall": 500 / 9}, abs=1e-12)


def test_chance_is_what_random_answers_reach() -> None:
    # Two of twelve pictures are right: counted over all draws of five.
    draws = list(combinations(range(12), 5))
    counted = 100 * sum(0 in draw or 1 in draw for draw in draws) / len(draws)
    found = chance([2, 2], 12)
    assert found["r1"] == pytest.approx(100 * 2 / 12)
    assert found["r5"] == pytest.approx(counted)


def test_chance_of_a_small_gallery_ends_at_certainty() -> None:
    assert chance([1], 4)["r10"] == 100.0
    assert chance([0], 4)["r10"] == 0.0
