import pytest

from tests.bench.cnclip import bench_cnclip_decoding_gpu as bench
from tests.bench.table import NotMeasured


def test_the_bench_of_decoding_runs_without_a_gpu_at_a_small_size() -> None:
    (row,) = bench.rows("cpu", ("tiny",), 16, workers=0, enough_s=0.01)
    assert len(row) == len(bench.EMPTY.columns)
    assert row[2] > 0
    assert row[3] > 0


def test_the_bench_says_why_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "why_no_gpu", lambda: "no GPU answers")
    with pytest.raises(NotMeasured, match="no GPU answers"):
        bench.run()
