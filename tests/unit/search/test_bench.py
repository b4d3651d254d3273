"""The bench of the search measures what it says."""

from pathlib import Path

import numpy as np

from scripts.search.query.engine import search
from scripts.search.query.load import load
from tests.bench.search import bench_search, made_index


def test_ours_the_old_way_and_double_precision_answer_alike(tmp_path: Path) -> None:
    made_index.write_index(tmp_path / "assets.db", 2000, "float32")
    made_index.write_old_table(tmp_path / "old.db", 2000)
    catalogue, wanted = load(tmp_path / "assets.db"), made_index.query(0)
    ours = [catalogue.path(hit.number) for hit in search(catalogue, wanted, limit=made_index.SHOWN).hits]
    assert ours == made_index.nearest(2000, wanted, "float32")
    assert ours == made_index.search_old_table(tmp_path / "old.db", wanted)
    assert np.linalg.norm(made_index.block(1), axis=1).max() < 1.001


def test_no_text_is_asked_twice() -> None:
    texts = [*bench_search.texts("{}{}"), *bench_search.texts("{1}在{0}")]
    assert len(set(texts)) == len(texts) == 2 * bench_search.ASKED


def test_a_goal_that_is_missed_or_an_answer_that_differs_is_said() -> None:
    good = {"ms": 1.0, "peak_gb": 1.0, "exact": True}
    found = {
        "small": good, "float32": good, "float16": good,
        "old": {"old_ms": 100.0, "ratio": 60.0, "ratio_in_turn": 40.0, "same": True},
        "page": {"ms": 10.0, "p95_ms": 20.0, "mb": 100.0, "seen_ms": 299.0, "seen_p95_ms": 400.0},
    }  # fmt: skip
    table = bench_search.table(found, load=0.0)
    assert {len(row) for row in table.rows} == {len(table.columns)}
    assert {row[3] for row in table.rows} == {"yes", None}
    worse = found | {
        "small": good | {"exact": False},
        "float16": good | {"peak_gb": 1.31},
        "old": found["old"] | {"ratio": 49},
        "page": {"ms": 10.0, "p95_ms": 20.0, "mb": 100.0},
    }
    table = bench_search.table(worse, load=3.0)
    assert [row[3] for row in table.rows] == ["no", "yes", "yes", "yes", "no", "yes", "no", None, None, None, None]
    assert "NOT EQUAL" in table.notes[0]
    assert "The page is not measured" in table.notes[-2]
    assert "load was 3.0" in table.notes[-1]
