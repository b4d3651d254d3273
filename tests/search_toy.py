"""A worker of the search without a model: vectors of two numbers from the bytes of a file. Light: workers import it."""

from typing import Any

import numpy as np

from scripts.search.vectors_file import Vectors, vectors_npz
from scripts.shared.errors import SampleError
from scripts.shared.sample_task import MadeSample, SampleTask, make_files


def fake_assets(tasks: list[SampleTask]) -> list[MadeSample | SampleError]:
    return [make_files(task, _make) for task in tasks]


def _make(task: SampleTask) -> tuple[dict[str, bytes], dict[str, Any]]:
    data = task.source.read_bytes()
    angle = float(sum(data))
    n = 1 if task.entry["kind"] == "image" else 3
    rows = np.array([[np.cos(angle + k), np.sin(angle + k)] for k in range(n)], np.float32)
    facts = {"sha1": "a" * 40, "width": 8, "height": 9, "duration": None if n == 1 else 4.0, "n_vectors": n}
    said = facts | {"identity": task.means["path"] or "fake", "tokenizer": "letters", "dim": 2, "device": "cpu"}
    [name] = task.entry["files"]
    return {name: vectors_npz(Vectors(rows, np.arange(n, dtype=np.float64) if n > 1 else np.zeros(0)))}, said
