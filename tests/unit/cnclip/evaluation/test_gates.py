import json

import numpy as np
import pytest

from scripts.cnclip.evaluation.gates import (
    RefusedModelError,
    refuse_alike,
    refuse_collapsed,
    refuse_non_finite,
)
from tests.unit.cnclip.evaluation.golden import EVAL


def lists(name: str) -> list[list[int]]:
    return [json.loads(line)["image_ids"] for line in (EVAL / name).read_text().splitlines()]


def test_the_collapsed_model_is_refused_and_the_good_one_is_not() -> None:
    with pytest.raises(RefusedModelError, match="60 of 60 texts get the same list"):
        refuse_collapsed(lists("collapsed_predictions.jsonl"), n_gallery=40, what="texts")
    refuse_collapsed(lists("valid_predictions.jsonl"), n_gallery=40, what="texts")


def test_half_of_the_queries_may_share_a_list_and_one_more_may_not() -> None:
    mixed = [[1, 2]] * 10 + [[number, 0] for number in range(10, 20)]
    refuse_collapsed(mixed, n_gallery=40, what="texts")
    with pytest.raises(RefusedModelError, match="11 of 20"):
        refuse_collapsed([*mixed[:-1], [1, 2]], n_gallery=40, what="texts")


def test_few_queries_or_a_small_gallery_are_not_judged() -> None:
    refuse_collapsed([[1, 2]] * 9, n_gallery=40, what="texts")
    refuse_collapsed([[1, 2]] * 50, n_gallery=9, what="texts")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_no_numbers_are_refused_with_their_count(value: float) -> None:
    features = np.ones((100_000, 2), np.float32)
    refuse_non_finite(features, "vectors")
    features[[3, 99_999], 1] = value
    with pytest.raises(RefusedModelError, match="2 of 100,000 vectors hold NaN or infinity"):
        refuse_non_finite(features, "vectors")


def test_vectors_that_are_mostly_equal_are_refused() -> None:
    rows = np.arange(40, dtype=np.float32).reshape(20, 2)
    refuse_alike(rows, "vectors")
    rows[:11] = 1
    with pytest.raises(RefusedModelError, match="11 of 20 vectors are equal"):
        refuse_alike(rows, "vectors")
