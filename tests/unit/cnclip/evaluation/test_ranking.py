import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.cnclip.evaluation.feature_files import IMAGES, TEXTS, read_official
from scripts.cnclip.evaluation.prediction_files import prediction_lines
from scripts.cnclip.evaluation.ranking import top_k
from tests.unit.cnclip.evaluation.golden import EVAL, unit


def by_sorting(queries: np.ndarray, gallery: np.ndarray, k: int) -> list[list[int]]:
    scores = (queries.astype(np.float64) @ gallery.T.astype(np.float64)).astype(np.float32)
    return [sorted(range(len(gallery)), key=lambda row: -one[row])[:k] for one in scores]


@pytest.mark.parametrize("rows", [7, 13, 40, 1000])
def test_answers_are_those_of_upstream_whatever_the_blocks(rows: int) -> None:
    text_ids, texts = read_official(EVAL / "valid_texts.txt_feat.jsonl", TEXTS)
    image_ids, images = read_official(EVAL / "valid_imgs.img_feat.jsonl", IMAGES)
    found = image_ids[top_k(texts, images, 10, gallery_rows=rows, query_rows=9)]
    assert "".join(prediction_lines("t2i", text_ids, found)) == (EVAL / "valid_predictions.jsonl").read_text()
    found = text_ids[top_k(images, texts, 10, gallery_rows=rows, query_rows=9)]
    assert "".join(prediction_lines("i2t", image_ids, found)) == (EVAL / "valid_tr_predictions.jsonl").read_text()


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(3, 60), rows=st.integers(1, 70))
def test_blocks_find_what_sorting_everything_finds(seed: int, n: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    gallery = unit(rng.integers(-2, 3, (n, 4)) + 0.25)  # few values: many ties
    queries = unit(rng.standard_normal((5, 4)))
    assert top_k(queries, gallery, 3, gallery_rows=rows, query_rows=2).tolist() == by_sorting(queries, gallery, 3)


def test_equal_rows_keep_the_order_of_the_gallery_wherever_they_lie() -> None:
    rng = np.random.default_rng(0)
    gallery = np.tile(unit(rng.standard_normal((1, 512))), (500, 1))
    found = top_k(unit(rng.standard_normal((3, 512))), gallery, 10, gallery_rows=97)
    assert found.tolist() == [list(range(10))] * 3


def test_rows_closer_together_than_float32_sums_can_tell_are_ordered_exactly() -> None:
    rng = np.random.default_rng(1)
    query = unit(rng.standard_normal((1, 512)))
    gallery = np.tile(query, (400, 1)) + rng.standard_normal((400, 512)).astype(np.float32) * np.float32(1e-6)
    assert top_k(query, gallery, 10).tolist() == by_sorting(query, gallery, 10)


def test_torch_finds_the_same() -> None:
    rng = np.random.default_rng(2)
    gallery, queries = unit(rng.standard_normal((300, 16))), unit(rng.standard_normal((20, 16)))
    gallery[100:200] = gallery[:100]
    there = top_k(queries, gallery, 10, gallery_rows=64)
    assert (top_k(queries, gallery, 10, gallery_rows=64, device="cpu:0") == there).all()


def test_more_answers_than_the_gallery_has_are_refused() -> None:
    with pytest.raises(ValueError, match="k = 4 of a gallery of 3"):
        top_k(np.zeros((1, 2), np.float32), np.zeros((3, 2), np.float32), 4)
