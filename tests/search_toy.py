"""The search without a model: vectors of two numbers. Light: workers import it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.cnclip.encoder import Features, ImageTextEncoder
from scripts.search.vectors_file import Vectors, vectors_npz
from scripts.shared.errors import SampleError
from scripts.shared.sample_task import MadeSample, SampleTask, make_files


class FakeEncoder(ImageTextEncoder):
    """One number of a text's letters, or of a picture's pixels, as a direction in the plane."""

    dim, context_length, image_size, logit_scale = 2, 4, 8, 1.0
    identity, tokenizer_identity = "fake", "letters"

    def tokenize(self, texts: Any) -> NDArray[np.int64]:
        return np.array([[len(text)] for text in texts], np.int64)

    def encode_tokens(self, ids: NDArray[np.int64]) -> Features:
        return np.array([[np.cos(n), np.sin(n)] for n in ids[:, 0]], np.float32).reshape(-1, 2)

    def encode_pixels(self, pixels: Any) -> Features:
        return self.encode_tokens(pixels.reshape(len(pixels), -1).sum(axis=1, dtype=np.int64)[:, None])


def fake_assets(tasks: list[SampleTask]) -> list[MadeSample | SampleError]:
    """A worker whose vectors follow from the bytes of a file."""
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
