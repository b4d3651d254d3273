import json
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.cnclip.evaluation.scores import failed_score, score, write_score
from tests.unit.cnclip.evaluation.golden import EVAL, annotation, as_json


def close(found: dict, wanted: dict) -> bool:
    parts = found["scoreJson"].keys() == wanted["scoreJson"].keys()
    same = all(abs(found["scoreJson"][key] - wanted["scoreJson"][key]) < 1e-13 for key in wanted["scoreJson"])
    return found["success"] is True and parts and same and abs(found["score"] - wanted["score"]) < 1e-13


def test_scores_are_those_of_upstream() -> None:
    there = annotation()
    assert close(score(EVAL / "valid_predictions.jsonl", there, "t2i"), as_json(EVAL / "score.json"))
    assert close(score(EVAL / "valid_tr_predictions.jsonl", there.inverted(), "i2t"), as_json(EVAL / "score_tr.json"))


def test_a_file_of_answers_that_are_all_alike_has_the_score_of_upstream() -> None:
    found = score(EVAL / "collapsed_predictions.jsonl", annotation(), "t2i")
    assert close(found, as_json(EVAL / "collapsed_score.json"))


def changed(tmp_path: Path, change: Callable[[list[dict]], list[dict]]) -> Path:
    rows = [json.loads(line) for line in (EVAL / "valid_predictions.jsonl").read_text().splitlines()]
    path = tmp_path / "predictions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in change(rows)))
    return path


def with_row(at: int, change: Callable[[list], list]) -> Callable[[list[dict]], list[dict]]:
    return lambda rows: [
        row | {"image_ids": change(row["image_ids"])} if number == at else row for number, row in enumerate(rows)
    ]


CHANGES = {
    "nine": with_row(3, lambda ids: ids[:9]),
    "duplicate": with_row(3, lambda ids: [*ids[:9], ids[0]]),
    "missing": lambda rows: rows[:-2],
    "string_id": with_row(0, lambda ids: list(map(str, ids))),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_wrong_file_of_answers_gets_the_error_file_of_upstream(tmp_path: Path, kind: str) -> None:
    found = score(changed(tmp_path, CHANGES[kind]), annotation(), "t2i")
    assert found == as_json(EVAL / "error_scores.json")["score_files"][kind]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (with_row(2, lambda ids: [float("nan"), *ids[1:]]), "invalid predicted image_id nan at rank 1"),
        (with_row(2, lambda ids: [1234567, *ids[1:]]), "unknown predicted image_id 1234567 at rank 1"),
        (lambda rows: [*rows, rows[0]], "Text_id 373 stands twice"),
        (lambda rows: [*rows, rows[0] | {"text_id": 99999}], "Text_id 99999 is not among the queries"),
        (lambda _: [{"text_id": 1}], "line 1 lacks text_id or image_ids"),
        (lambda rows: [rows[0] | {"text_id": "373"}], "text_id '373' is not a whole number"),
        (with_row(0, lambda _: 5), "Require 10, but 0 founded"),
    ],
)
def test_what_upstream_lets_pass_or_dies_of_is_an_error_too(
    tmp_path: Path, change: Callable[[list[dict]], list[dict]], said: str
) -> None:
    there = annotation()
    gallery = {image_id for ids in (json.loads(line)["image_ids"] for line in open_lines()) for image_id in ids}
    found = score(changed(tmp_path, change), there, "t2i", known_queries=set(there.query_ids), known_answers=gallery)
    assert found["success"] is False
    assert said in found["errorMsg"]


def open_lines() -> list[str]:
    return (EVAL / "valid_predictions.jsonl").read_text().splitlines()


def test_what_is_no_json_gets_an_error_file(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    path.write_text('{"text_id": 1,')
    assert "no JSON" in score(path, annotation(), "t2i")["errorMsg"]


def test_a_score_file_is_one_line_of_json(tmp_path: Path) -> None:
    write_score(tmp_path / "score.json", failed_score("塌了"))
    assert as_json(tmp_path / "score.json")["errorDetail"] == "塌了"
    assert (tmp_path / "score.json").read_text().count("\n") == 0
