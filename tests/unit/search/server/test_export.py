"""Hits as a file."""

import csv
import io
import json
from typing import Any

import pytest

from scripts.search.server.export import COLUMNS, as_csv, as_json


def result(**more: Any) -> dict[str, Any]:
    plain = dict.fromkeys(COLUMNS) | {"path": "a/b", "file": "/a/b", "segments": [], "tags": [], "score": -0.25}
    return plain | more


@pytest.mark.parametrize(
    "name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\uff1d1", '=HYPERLINK("http://evil")']
)
def test_no_name_begins_a_formula(name: str) -> None:
    text = "".join(as_csv([result(path=name, tags=[name])]))
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    assert rows[0]["path"] == f"'{name}"
    assert rows[0]["tags"] == f"'{name}"
    assert rows[0]["score"] == "-0.25"  # a number stays one


def test_names_with_anything_in_them_come_back() -> None:
    name = 'a,"b"\n红;\'<script>'
    text = "".join(as_csv([result(path=name)])).removeprefix("\ufeff")
    assert next(csv.DictReader(io.StringIO(text, newline="")))["path"] == name
    assert json.loads("".join(as_json([result(path=name), result()])))[0]["path"] == name
    assert json.loads("".join(as_json([]))) == []
