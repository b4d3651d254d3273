"""A made-up dataset, and evaluations of a model on it, as the rules make them."""

import base64
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.cnclip.compression.package_check import Evaluated
from scripts.cnclip.data.picture_list import PictureList, write_pictures
from scripts.cnclip.data.tsv import places
from scripts.cnclip.evaluation.evaluate import evaluate
from scripts.cnclip.evaluation.features import join_features, picture_features, text_features

DATASET, SPLIT, N = "toy", "test", 12
CAPTION = "第{}张图片"


def make_data(root: Path) -> None:
    """Twelve pictures of noise, each with a caption."""
    root.mkdir()
    rng = np.random.default_rng(7)
    lines, texts = [], []
    for number in range(N):
        stream = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (40, 30, 3), np.uint8)).save(stream, "PNG")
        lines.append(f"{number}\t{base64.b64encode(stream.getvalue()).decode()}\n")
        texts.append(json.dumps({"text_id": number, "text": CAPTION.format(number), "image_ids": [number]}) + "\n")
    (root / "imgs.tsv").write_text("".join(lines))
    (root / "texts.jsonl").write_text("".join(texts))
    found = np.array([tuple(place) for place in places(root / "imgs.tsv")], np.int64)
    ids = np.arange(N, dtype=np.int64)
    listed = PictureList(ids, found[:, 0].copy(), found[:, 1].copy())
    write_pictures(root / "pictures.npz", listed, np.zeros((N, 20), np.uint8))


def run_evaluation(data: Path, model: Path, form: str, out: Path) -> Evaluated:
    """Evaluate a form; `out` gets `metrics.json` and `features/<split>/`."""
    picture_features(model=model, form=form, tsv=data / "imgs.tsv", pictures=data / "pictures.npz", part=out / "p.npz")
    text_features(model=model, form=form, texts=data / "texts.jsonl", part=out / "t.npz")
    features = out / "features" / SPLIT
    join_features(picture_parts=[out / "p.npz"], text_part=out / "t.npz", folder=features)
    evaluate(
        features=features,
        texts=data / "texts.jsonl",
        output=out,
        name=f"golden.{form}",
        dataset=DATASET,
        split=SPLIT,
        seed=1,
    )
    return Evaluated(DATASET, form, data / "imgs.tsv", data / "pictures.npz", data / "texts.jsonl", features)
