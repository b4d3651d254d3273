"""The index plan: written where the index would differ, and only there."""

from pathlib import Path

import pytest

from scripts.shared.errors import JobError
from scripts.shared.planning.index_plan import plan_file, read_index_plan, settle
from tests.toy_system import Toy

KEYS, SHARDS = ["b", "a", "é \u2028"], ["00000", "00001"]


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path)


def test_an_index_plan_reads_as_it_was_written(toy: Toy) -> None:
    plan = read_index_plan(settle(toy.stage(), KEYS, SHARDS, None))
    assert (plan.keys, plan.shards) == (tuple(KEYS), tuple(SHARDS))
    assert (plan.dataset_dir, plan.stage, plan.settings) == (str(toy.dataset_dir), "words", {"kind": "toy"})


def test_the_same_index_leaves_the_plan_alone(toy: Toy) -> None:
    path = settle(toy.stage(), KEYS, SHARDS, None)
    before = path.stat()
    assert settle(toy.stage(), KEYS, SHARDS, None) == path
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_another_order_key_shard_or_setting_is_another_plan(toy: Toy, tmp_path: Path) -> None:
    path = settle(toy.stage(), KEYS, SHARDS, None)
    for keys, shards, changes in (
        (KEYS[::-1], SHARDS, {}),
        (KEYS[:1], SHARDS, {}),
        ([], [], {}),
        (KEYS, SHARDS[:1], {}),
        (KEYS, SHARDS, {"index": {"kind": "other"}}),
    ):
        stand_in = settle(toy.stage(**changes), keys, shards, tmp_path)
        assert stand_in.parent == tmp_path
        assert stand_in.read_bytes() == b""
    assert read_index_plan(path).keys == tuple(KEYS)


def test_a_plan_damaged_at_any_byte_is_written_anew(toy: Toy) -> None:
    path = settle(toy.stage(), KEYS, SHARDS, None)
    content = path.read_bytes()
    for place in range(0, len(content), 3):
        path.write_bytes(content[:place] + b"?" + content[place + 2 :])
        with pytest.raises(JobError, match="not an index plan that can be used"):
            read_index_plan(path)
        settle(toy.stage(), KEYS, SHARDS, None)
        assert read_index_plan(path).keys == tuple(KEYS)


def test_a_rewritten_plan_differs_in_its_serial(toy: Toy) -> None:
    path = settle(toy.stage(), KEYS, SHARDS, None)
    first = path.read_bytes()
    path.unlink()
    settle(toy.stage(), KEYS, SHARDS, None)
    assert path.read_bytes() != first


def test_it_lies_in_the_datasets_work_folder(toy: Toy) -> None:
    assert settle(toy.stage(), KEYS, SHARDS, None) == plan_file(toy.work)
