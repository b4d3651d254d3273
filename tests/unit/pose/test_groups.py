from pathlib import Path
from typing import Any

import pytest

from scripts.pose.groups import group, poses_asked
from scripts.pose.names import pose_names
from scripts.shared.sample_task import SampleTask


def task(key: str, repeats: int = 1, **entry: Any) -> SampleTask:
    files = [f"poses/{pose}.{suffix}" for pose in pose_names(key, repeats) for suffix in ("npy", "json")]
    files += [f"motions/{key}.npy"]
    return SampleTask(key, {"files": files, **entry}, {"sequence_length": 16}, {}, Path(), Path())


def sizes(tasks: list[SampleTask], **means: Any) -> list[int]:
    groups = group({"batch_size": 0} | means, tasks)
    assert sorted(task.key for part in groups for task in part) == sorted(task.key for task in tasks)
    return [len(part) for part in groups]


@pytest.mark.parametrize(
    ("means", "expected"),
    [
        ({"device": "cpu"}, [32, 32, 6]),
        ({"device": "cpu", "batch_size": 500}, [32, 32, 6]),
        ({"device": "cuda"}, [70]),
    ],
)
def test_groups_fill_micro_batches(means: dict[str, Any], expected: list[int]) -> None:
    assert sizes([task(f"walk_{i}") for i in range(70)], **means) == expected


@pytest.mark.parametrize(("batch_size", "expected"), [(1, [128, 22]), (128, [128, 22]), (129, [150]), (0, [150])])
def test_a_gpus_groups_are_whole_micro_batches(batch_size: int, expected: list[int]) -> None:
    assert sizes([task(f"{i}") for i in range(150)], device="cuda", batch_size=batch_size) == expected


def test_captions_of_one_length_go_together_and_those_of_unknown_length_in_large_groups() -> None:
    lengths: list[dict[str, int]] = [{"n_frames": 0}, {"n_frames": 8}, {}]
    tasks = [task(f"walk_{i}", **lengths[i % 3]) for i in range(120)]
    groups = group({"device": "cpu", "batch_size": 0}, tasks)
    assert [len(part) for part in groups] == [40, 32, 8, 32, 8]
    assert all(len({task.entry.get("n_frames") for task in part}) == 1 for part in groups)


def test_repeats_count_as_poses_of_a_group() -> None:
    assert poses_asked(task("walk", repeats=3)) == ["walk", "walk-r2", "walk-r3"]
    assert sizes([task(f"walk_{i}", repeats=5) for i in range(20)], device="cpu") == [6, 6, 6, 2]
    assert sizes([task("walk", repeats=100)], device="cpu") == [1]
