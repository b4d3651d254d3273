"""The official files of answers: `{split}_predictions.jsonl` and `{split}_tr_predictions.jsonl`.

Format: OFA-Sys/Chinese-CLIP, README_En.md, "KNN retrieval" and "Recall": exactly ten distinct ids a query, best first.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Direction = Literal["t2i", "i2t"]
DIRECTIONS: tuple[Direction, ...] = ("t2i", "i2t")


@dataclass(frozen=True)
class Fields:
    """How the two kinds of files name their queries and answers."""

    query: str
    answers: str
    file: str
    words: str

    @property
    def answer(self) -> str:
        """One of the answers."""
        return self.answers.removesuffix("s")


FIELDS: dict[Direction, Fields] = {
    "t2i": Fields("text_id", "image_ids", "{split}_predictions.jsonl", "text to image"),
    "i2t": Fields("image_id", "text_ids", "{split}_tr_predictions.jsonl", "image to text"),
}


def prediction_lines(direction: Direction, query_ids: Sequence[int], found: Sequence[Sequence[int]]) -> Iterator[str]:
    """Lines of a file of answers.

    Args:
        direction: text to image or image to text.
        query_ids: ids of the queries, in the order of their feature file.
        found: of each query ten ids, best first.
    """
    fields = FIELDS[direction]
    for query_id, ids in zip(query_ids, found, strict=True):
        yield json.dumps({fields.query: int(query_id), fields.answers: list(map(int, ids))}) + "\n"
