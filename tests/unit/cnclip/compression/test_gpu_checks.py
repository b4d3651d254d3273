"""The checks of a GPU's forms, run on the CPU at toy size with the exports of these tests."""

from pathlib import Path

import pytest

from tests.bench.cnclip import bench_cnclip_encoding_gpu as bench
from tests.gpu import cnclip_export_checks as checks


@pytest.fixture(autouse=True)
def stored(model_dir: Path, exports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (checks, bench):
        monkeypatch.setattr(module, "exported", lambda *_, **__: (model_dir, exports))


def test_checks_hold_on_the_cpu(tmp_path: Path) -> None:
    told = checks.check_forms_are_those_of_the_cpu(tmp_path, device="cpu")
    assert [each.split()[0] for each in told.split(", ")] == ["torch", "onnx_fp32", "onnx_fp16"]
    assert "not installed" in checks.check_tensorrt_was_built_or_says_why(tmp_path, device="cpu")


def test_rates_are_measured_for_every_form_that_is_there() -> None:
    rows, notes = bench.rows("cpu", "golden", (1, 3), enough_s=0)
    assert [row[:2] for row in rows] == [[form, n] for n in (1, 3) for form in ("torch", "onnx_fp32", "onnx_fp16")]
    assert all(row[2] > 0 and row[3] > 0 for row in rows)
    assert len(notes) == 1
    assert notes[0].startswith("tensorrt is not there: the Python package tensorrt is not installed")
