"""A training on a few made-up pictures, with upstream's tiny model."""

import base64
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from scripts.cnclip.data.lmdb_files import write_lmdb
from scripts.cnclip.data.picture_list import PictureList, write_pictures
from scripts.cnclip.training.train import train
from tests.unit.cnclip.training.golden_runs import NO_TEACHER, OPTIONS

COLOURS = {"红": (220, 30, 30), "绿": (30, 160, 40), "蓝": (30, 60, 220), "黄": (230, 210, 40)}
SHAPES = ("圆", "方", "条")
RUN = {
    **OPTIONS,
    "batch_size": 8,
    "chunk_size": 4,
    "max_steps": 12,
    "lr": 2e-3,
    "weight_decay": 1e-3,
    "text_dropout": 0.1,
    "augment": True,
    "valid_step_interval": 5,
    "save_step_interval": 4,
    "keep": "best",
    "context_length": 16,
    "kd": NO_TEACHER,
    "dataset": "shapes",
}


def picture(colour: tuple[int, int, int], shape: str, number: int) -> bytes:
    """A PNG of a coloured shape."""
    random = np.random.default_rng([number, *colour])
    canvas = random.integers(200, 256, (40, 40, 3)).astype(np.uint8)
    y, x = np.mgrid[:40, :40] - 20
    inside = {"圆": x**2 + y**2 < 144, "方": (abs(x) < 11) & (abs(y) < 11), "条": abs(y) < 5}[shape]
    canvas[inside] = colour
    held = io.BytesIO()
    Image.fromarray(canvas).save(held, "PNG")
    return held.getvalue()


def write_split(folder: Path, split: str, n_each: int, spoilt: int | None = None) -> None:
    """An LMDB of one split; one picture may be none."""
    root = folder / split
    root.mkdir(parents=True)
    texts, lines, sums = [], [], []
    for number in range(n_each * len(COLOURS) * len(SHAPES)):
        colour, shape = list(COLOURS)[number % 4], SHAPES[number // 4 % 3]
        data = b"no picture" if number == spoilt else picture(COLOURS[colour], shape, number)
        lines.append(f"{100 + number}\t".encode() + base64.b64encode(data))
        sums.append(np.frombuffer(hashlib.sha1(data).digest(), np.uint8))  # noqa: S324 - no secret
        texts.append({"text_id": number, "text": f"{colour}色的{shape}", "image_ids": [100 + number]})
    tsv = root / "imgs.tsv"
    tsv.write_bytes(b"\n".join(lines) + b"\n")
    lengths = np.array([len(line) for line in lines])
    offsets = np.concatenate([[0], np.cumsum(lengths + 1)[:-1]])
    found = PictureList(np.arange(len(lines)) + 100, offsets, lengths)
    write_pictures(root / "pictures.npz", found, np.stack(sums))
    (root / "texts.jsonl").write_text("".join(json.dumps(text, ensure_ascii=False) + "\n" for text in texts))
    write_lmdb(tsv, root / "pictures.npz", root / "texts.jsonl", folder / "lmdb" / split)


def make_place(folder: Path, *, spoilt: int | None = None) -> None:
    """The data, and the model that runs begin with; one picture of each split may be none."""
    from scripts.cnclip.model_files.folder import ModelFacts, save_model
    from tests.cnclip_models import golden_model

    write_split(folder, "train", 2, spoilt)
    write_split(folder, "valid", 1, spoilt)
    features = np.random.default_rng(0).normal(size=(24, 28)).astype(np.float32)
    np.savez(folder / "teacher.npz", image_ids=np.arange(24) + 100, image_features=features)
    save_model(golden_model(), folder / "init", facts=ModelFacts("tiny_vit", trained_on=("before",)))


def start(folder: Path, name: str, **changed: Any) -> None:
    """Train there; with a `kd` the teacher has features of pictures alone."""
    teacher = folder / "teacher.npz" if "kd" in changed else None
    kd = {**NO_TEACHER, **changed.pop("kd", {})}
    where = {"init": folder / "init", "lmdb": folder / "lmdb", "run_dir": folder / name}
    train({**RUN, **changed, "kd": kd}, name=name, **where, teacher=teacher)
