"""The gate: too much failed is not finished."""

import json
from pathlib import Path

import pytest

from scripts.shared.errors import JobError
from scripts.shared.gate import check_summary


def check(folder: Path, ok: int, failed: int, fraction: float = 0.05) -> None:
    summary = {"ok": ok, "failed": failed, "errors": {"timeout": 1, "no_video": 1000, "a": 2, "b": 3}}
    (folder / "summary.json").write_text(json.dumps(summary))
    check_summary(folder / "summary.json", folder / "gate" / "passed.json", max_failed_fraction=fraction)


@pytest.mark.parametrize(
    ("ok", "failed", "fraction"), [(0, 0, 0.05), (0, 19, 0.05), (19, 1, 0.05), (20, 0, 0.0), (0, 20, 1.0), (9, 10, 0.0)]
)
def test_few_failures_or_few_samples_pass(ok: int, failed: int, fraction: float, tmp_path: Path) -> None:
    check(tmp_path, ok, failed, fraction)
    assert json.loads((tmp_path / "gate" / "passed.json").read_text()) == {"ok": ok, "failed": failed}


@pytest.mark.parametrize(("ok", "failed", "fraction"), [(18, 2, 0.05), (19, 1, 0.0), (0, 20, 0.99)])
def test_too_many_failures_stop_naming_the_commonest(ok: int, failed: int, fraction: float, tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"no_video \(1,000\), b \(3\), a \(2\); .*failures.csv names each") as caught:
        check(tmp_path, ok, failed, fraction)
    assert f"{failed} of 20 samples failed" in str(caught.value)
    assert not (tmp_path / "gate" / "passed.json").exists()
