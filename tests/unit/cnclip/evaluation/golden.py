"""Upstream's features, answers and scores, and a model that needs no weights."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.cnclip.encoder import Features, ImageTextEncoder
from scripts.cnclip.evaluation.annotation import Annotation, read_annotation

GOLDEN = Path(__file__).parents[3] / "data" / "golden" / "cnclip"
EVAL = GOLDEN / "eval_golden"


def annotation() -> Annotation:
    return read_annotation(EVAL / "valid_texts.jsonl")


def as_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


class ColourEncoder(ImageTextEncoder):
    """Takes a picture for its mean colour, and a text for the colours that it names."""

    dim, context_length, image_size, logit_scale = 3, 4, 8, 10.0
    identity, tokenizer_identity = "colours", "names"
    names = ("红", "绿", "蓝")

    def tokenize(self, texts: Sequence[str]) -> NDArray[np.int64]:
        return np.array([[1 + (name in text) for name in self.names] + [0] for text in texts], np.int64)

    def encode_tokens(self, ids: NDArray[np.int64]) -> Features:
        return unit(ids[:, :3].astype(np.float32) - 0.9)

    def encode_pixels(self, pixels: NDArray[np.uint8] | NDArray[np.float32]) -> Features:
        return unit(pixels.astype(np.float32).mean(axis=(2, 3)) + 1)


def unit(rows: NDArray[Any]) -> Features:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
