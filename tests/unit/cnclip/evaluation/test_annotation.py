from pathlib import Path

import pytest

from scripts.cnclip.evaluation.annotation import inverted_lines, read_annotation, read_rows
from scripts.shared.errors import JobError
from tests.unit.cnclip.evaluation.golden import EVAL, annotation


def test_inverted_annotation_is_that_of_upstream() -> None:
    assert "".join(inverted_lines(annotation())) == (EVAL / "valid_texts.tr.jsonl").read_text()


def test_a_text_without_pictures_is_no_query_for_pictures(tmp_path: Path) -> None:
    path = tmp_path / "valid_texts.jsonl"
    path.write_text('{"text_id": 1, "text": "a", "image_ids": []}\n{"text_id": 2, "text": "b", "image_ids": [7]}\n')
    there = read_annotation(path)
    assert there.answers == ((), (7,))
    assert there.inverted().query_ids == (7,)
    assert not there.is_hidden


def test_a_text_id_that_stands_there_twice_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "valid_texts.jsonl"
    path.write_text('{"text_id": 5, "text": "a", "image_ids": []}\n' * 2)
    with pytest.raises(JobError, match="text_id 5 stands there twice"):
        read_annotation(path)


@pytest.mark.parametrize(
    ("content", "said"), [(b"[1]\n", "line 1 is no JSON object"), (b"{\n", "no JSON"), (b"\xff\n", "not UTF-8")]
)
def test_what_is_no_json_lines_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "predictions.jsonl"
    path.write_bytes(content)
    with pytest.raises(JobError, match=said):
        list(read_rows(path))
