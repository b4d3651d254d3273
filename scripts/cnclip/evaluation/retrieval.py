"""Answers of one direction: text to image, or image to text."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scripts.cnclip.evaluation.annotation import Annotation
from scripts.cnclip.evaluation.feature_files import SplitFeatures
from scripts.cnclip.evaluation.gates import refuse_collapsed, refuse_non_finite
from scripts.cnclip.evaluation.prediction_files import Direction
from scripts.cnclip.evaluation.ranking import top_k
from scripts.cnclip.evaluation.recall import LONGEST, answered


@dataclass(frozen=True)
class Retrieval:
    """What a model answered, and which queries count.

    Attributes:
        asked: (m,) int64 ids of all that was asked, in the order of the feature file.
        found: (m, k) int64 ids of the answers, best first; k is 10, or the size of a smaller gallery.
        query_ids: the n queries that count, in the order of the annotation.
        answers: of each the right ids.
        hits: (n, 3) whether a right one is among the first 1, 5 and 10.
        groups: of each the picture that it is about; queries about one picture are not independent.
        n_gallery: ids that there were to choose from.
    """

    asked: NDArray[np.int64]
    found: NDArray[np.int64]
    query_ids: Sequence[int]
    answers: Sequence[Sequence[int]]
    hits: NDArray[np.bool_]
    groups: Sequence[int]
    n_gallery: int


def retrieve(made: SplitFeatures, annotation: Annotation, direction: Direction, *, device: str = "cpu") -> Retrieval:
    """Ask a model.

    Args:
        made: its features.
        annotation: of the texts.
        direction: text to image asks every text; image to text every picture, and counts those that have a text.
        device: where vectors are compared.

    Raises:
        RefusedModelError: features are not finite, or the model answers most queries alike.
    """
    refuse_non_finite(made.image_features, "picture vectors")
    refuse_non_finite(made.text_features, "text vectors")
    if direction == "t2i":
        asked, queries, ids, gallery = made.text_ids, made.text_features, made.image_ids, made.image_features
        counted = annotation
        # A text that stands there twice is answered alike for a good reason.
        words = dict(zip(annotation.query_ids, annotation.texts, strict=True))
        distinct = list({words[query]: row for row, query in enumerate(asked.tolist())}.values())
    else:
        asked, queries, ids, gallery = made.image_ids, made.image_features, made.text_ids, made.text_features
        counted = annotation.inverted()
        distinct = list(range(len(asked)))
    rows = top_k(queries, gallery, min(LONGEST, len(ids)), device=device)
    refuse_collapsed(rows[distinct], n_gallery=len(ids), what="texts" if direction == "t2i" else "pictures")
    found = ids[rows]
    by_id = dict(zip(asked.tolist(), found, strict=True))
    # A picture that could not be decoded has no answers, and so is missed.
    hits = answered([by_id.get(query, ()) for query in counted.query_ids], counted.answers)
    groups = counted.query_ids if direction == "i2t" else _about(counted)
    return Retrieval(asked, found, counted.query_ids, counted.answers, hits, groups, len(ids))


def _about(texts: Annotation) -> list[int]:
    """The first picture of each text; a number of its own, below zero, for one without."""
    return [answers[0] if answers else -1 - row for row, answers in enumerate(texts.answers)]
