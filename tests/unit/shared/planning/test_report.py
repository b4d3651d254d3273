"""A plan in words."""

import re
import shutil

import pytest

from scripts.shared.planning import report
from scripts.shared.planning.planner import plan_dataset
from scripts.shared.planning.report import describe
from tests.toy_system import Toy


def words(toy: Toy, cores: int = 0) -> str:
    return "\n".join(describe(plan_dataset(toy.stage(), scratch=None), toy.stage(), cores=cores))


def test_a_new_dataset_is_counted_by_shard_and_reason(toy: Toy) -> None:
    lines = words(toy).splitlines()
    assert lines[0] == "toy toys: 4 samples wanted, 0 made, 4 to make: 4 new"
    assert lines[1:3] == ["  shard 00000: 2 new", "  shard 00001: 2 new"]
    assert lines[3].startswith("  needs about 0.0 MB; ")


def test_a_finished_dataset_is_one_line(toy: Toy) -> None:
    toy.run()
    assert words(toy) == "toy toys: 4 samples wanted, 4 made, nothing to make"


def test_each_reason_is_named(toy: Toy) -> None:
    toy.source("c").write_text("bad")
    toy.run()
    toy.source("d").write_text("changed")
    shutil.rmtree(toy.dataset_dir / "a")
    toy.keys.remove("b")
    text = words(toy)
    assert "3 samples wanted, 0 made, 2 to make: 1 source changed, 1 output missing" in text
    assert "1 failed before and stay so (1 bad_text); --config retry_failed=true tries them again" in text
    assert "1 samples on record are no longer wanted: kept on disk, in no index" in text


def test_hours_are_told_where_a_rate_is_known(toy: Toy) -> None:
    toy.run()
    toy.repeat = 2
    assert re.search(r"; about [0-9]+ s on 4 cores at the rate of earlier jobs", words(toy, cores=4))
    assert "rate of earlier jobs" not in words(toy, cores=0)


def test_too_little_room_is_shouted(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "free_bytes", lambda _: 10)
    assert "0.0 MB free in " in words(toy)
    assert words(toy).endswith("NOT ENOUGH")


def test_damaged_ledger_lines_are_counted(toy: Toy) -> None:
    toy.run()
    path = next(toy.ledger_dir.glob("00000.*"))
    path.write_bytes(path.read_bytes() + b"garbage\n")
    assert f"1 damaged ledger lines in {toy.ledger_dir}" in words(toy)


def test_many_shards_are_not_all_listed(toy: Toy) -> None:
    toy.shard_size = 1
    toy.keys = [f"k{number}" for number in range(20)]
    text = words(toy)
    assert text.count("  shard ") == 12
    assert "  ... and 8 more shards" in text
