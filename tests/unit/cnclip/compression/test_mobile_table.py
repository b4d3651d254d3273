import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.cnclip.compression.mobile_table import FORMS, MIXED, compare_mobile, mixed
from scripts.cnclip.evaluation.feature_files import SplitFeatures
from scripts.shared.errors import JobError
from tests.unit.cnclip.compression.toy_evaluation import SPLIT, make_data, run_evaluation


def compared(exports: Path, folder: Path, features: dict[str, Path], texts: list[Path]) -> list[dict[str, Any]]:
    """The rows of the table, after a look at times and figure."""
    table, timings, figure = (folder / name for name in ("mobile.json", "mobile.timings.json", "mobile.png"))
    compare_mobile(
        exports, table=table, timings=timings, figure=figure, features=features, texts=texts, seed=1, enough_s=0
    )
    times = json.loads(timings.read_text())
    assert list(times) == sorted(FORMS)
    assert all(ms > 0 for form in times.values() for ms in form.values())
    assert figure.read_bytes().startswith(b"\x89PNG")
    rows: list[dict[str, Any]] = json.loads(table.read_text())
    return rows


def test_int8_stands_beside_32_bits_with_size_and_recall(exports: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    make_data(data)
    for form in FORMS:
        run_evaluation(data, exports, form, tmp_path / form)
    features = {form: tmp_path / form / "features" / SPLIT for form in FORMS}
    whole, int8, both = compared(exports, tmp_path, features, [data / "texts.jsonl"])
    assert [row["form"] for row in (whole, int8, both)] == [*FORMS, MIXED]
    for side in ("img", "txt"):
        assert int8["bytes"][side] == (exports / f"golden.{side}.int8.onnx").stat().st_size < 0.5 * whole["bytes"][side]
    assert both["bytes"] == {"txt": int8["bytes"]["txt"]}
    for form, row in zip(FORMS, (whole, int8), strict=True):
        measured = json.loads((tmp_path / form / "metrics.json").read_text())["directions"]["t2i"]
        assert row["t2i"] == measured


def test_hidden_answers_give_no_recall(exports: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    make_data(data)
    lines = [json.loads(line) | {"image_ids": []} for line in (data / "texts.jsonl").read_text().splitlines()]
    (data / "texts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for form in FORMS:
        run_evaluation(data, exports, form, tmp_path / form)
    features = {form: tmp_path / form / "features" / SPLIT for form in FORMS}
    assert [row["t2i"] for row in compared(exports, tmp_path, features, [data / "texts.jsonl"])] == [{}, {}, {}]


def test_model_without_data_is_told_in_size_and_time(exports: Path, tmp_path: Path) -> None:
    assert [row["t2i"] for row in compared(exports, tmp_path, {}, [])] == [{}, {}, {}]


def test_texts_of_one_form_ask_the_pictures_of_the_other() -> None:
    def features(value: float, digest: str) -> SplitFeatures:
        ids, rows = np.arange(2), np.full((2, 3), value, np.float32)
        return SplitFeatures(ids, rows, ids, rows, {"texts_digest": digest, "pictures_digest": "p"})

    both = mixed(features(1, "t"), features(2, "t"))
    assert (both.text_features[0, 0], both.image_features[0, 0]) == (1, 2)
    with pytest.raises(JobError, match="different data"):
        mixed(features(1, "t"), features(2, "other"))
