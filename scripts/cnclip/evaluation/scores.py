"""The official score file: recall of a file of answers, or the sentence that says why it has none.

Format and wording of the errors: OFA-Sys/Chinese-CLIP, `evaluation.py` and `evaluation_tr.py`, so that what reads their
files reads these. Checked beyond that: repeated queries, unknown queries and answers.
"""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from scripts.cnclip.evaluation.annotation import Annotation, read_rows
from scripts.cnclip.evaluation.prediction_files import FIELDS, Direction, Fields
from scripts.cnclip.evaluation.recall import LONGEST, answered, recalls
from scripts.shared import atomic_files
from scripts.shared.errors import JobError


class _WrongAnswersError(Exception):
    """What is wrong with a file of answers."""


def score(
    predictions: Path,
    annotation: Annotation,
    direction: Direction,
    *,
    known_queries: Collection[int] | None = None,
    known_answers: Collection[int] | None = None,
) -> dict[str, Any]:
    """Score a file of answers.

    Args:
        predictions: `{split}_predictions.jsonl` or `{split}_tr_predictions.jsonl`.
        annotation: queries and right answers; the inverted one for image to text.
        direction: text to image or image to text.
        known_queries: ids that may be asked; pictures without a text are, though they do not count. None: any.
        known_answers: ids that may be answers. None: any.

    Returns:
        What the score file holds: `success`, `score` (the mean recall, in percent) and `scoreJson`; or the error.
    """
    try:
        found = _read(predictions, FIELDS[direction], known_queries, known_answers)
        if missing := [query for query in annotation.query_ids if query not in found]:
            shown = ", ".join(map(str, missing))
            raise _WrongAnswersError(
                f"The following {FIELDS[direction].query}s have no prediction in your submission, "
                f"please check again: {shown}"
            )
    except (_WrongAnswersError, JobError) as error:
        return failed_score(str(error))
    hits = answered([found[query] for query in annotation.query_ids], annotation.answers)
    return score_of(recalls(hits))


def score_of(measured: dict[str, float]) -> dict[str, Any]:
    """The content of a score file for recalls in percent."""
    mean = measured["mean_recall"]
    parts = {"score": mean, "mean_recall": mean, **{name: measured[name] for name in ("r1", "r5", "r10")}}
    return {"success": True, "score": mean, "scoreJson": parts}


def failed_score(sentence: str) -> dict[str, Any]:
    """The content of a score file where there is no score."""
    return {"success": False, "score": 0, "errorDetail": sentence, "errorMsg": sentence, "scoreJson": {}}


def write_score(path: Path, content: dict[str, Any]) -> None:
    """Write a score file: one line of JSON."""
    atomic_files.write_text(path, json.dumps(content, ensure_ascii=False))


def _read(
    path: Path, fields: Fields, queries: Collection[int] | None, gallery: Collection[int] | None
) -> dict[int, tuple[int, ...]]:
    found: dict[int, tuple[int, ...]] = {}
    for number, row in read_rows(path):
        if fields.query not in row or fields.answers not in row:
            raise _WrongAnswersError(f"{path.name}: line {number} lacks {fields.query} or {fields.answers}")
        query, answers = row[fields.query], row[fields.answers]
        name = fields.query.capitalize()
        if type(query) is not int:
            raise _WrongAnswersError(f"{path.name}: line {number}: {fields.query} {query!r} is not a whole number")
        if query in found:
            raise _WrongAnswersError(f"{name} {query} stands twice in your prediction; one line a {fields.query}")
        if queries is not None and query not in queries:
            raise _WrongAnswersError(f"{name} {query} is not among the queries; is this file of another data set?")
        _check_answers(query, answers, fields, gallery)
        found[query] = tuple(answers)
    return found


def _check_answers(query: int, answers: Any, fields: Fields, gallery: Collection[int] | None) -> None:
    name = fields.query.capitalize()
    things = fields.answer.removesuffix("_id") + "s"
    if not isinstance(answers, list) or len(answers) != LONGEST:
        n = len(answers) if isinstance(answers, list) else 0
        raise _WrongAnswersError(
            f"{name} {query} has wrong number of predicted {fields.answers}! Require {LONGEST}, but {n} founded."
        )
    for rank, answer in enumerate(answers, 1):
        if type(answer) is not int:
            kind = "string" if isinstance(answer, str) else type(answer).__name__
            raise _WrongAnswersError(
                f"{name} {query} has an invalid predicted {fields.answer} {answer} at rank {rank}, "
                f"it should be an integer (not {kind}), please check your schema"
            )
        if gallery is not None and answer not in gallery:
            raise _WrongAnswersError(
                f"{name} {query} has an unknown predicted {fields.answer} {answer} at rank {rank}; "
                "is this file of another data set?"
            )
    if len(set(answers)) != LONGEST:
        # "Pleace" is what the official program writes.
        raise _WrongAnswersError(f"{name} {query} has duplicate topk {things} in your prediction. Pleace check again!")
