"""A small dataset of coloured squares, its tables, and its features by `ColourEncoder`."""

import base64
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.cnclip.data.picture_list import PictureList, write_pictures
from scripts.cnclip.evaluation import features as module
from scripts.cnclip.evaluation.features import join_features, picture_features, text_features
from tests.unit.cnclip.evaluation.golden import ColourEncoder

Text = tuple[int, str, Sequence[int]]


def png(colour: tuple[int, int, int]) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (12, 9), colour).save(content, "PNG")
    return content.getvalue()


def write_dataset(folder: Path, pictures: Mapping[int, bytes], texts: Sequence[Text]) -> Path:
    """`x_imgs.tsv`, `x_pictures.npz` and `x_texts.jsonl` in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [b"%d\t%s\n" % (image_id, base64.b64encode(data)) for image_id, data in pictures.items()]
    (folder / "x_imgs.tsv").write_bytes(b"".join(lines))
    lengths = np.array([len(line) - 1 for line in lines], np.int64)
    offsets = np.cumsum(lengths + 1) - lengths - 1
    ids = np.array(list(pictures), np.int64)
    write_pictures(folder / "x_pictures.npz", PictureList(ids, offsets, lengths), np.zeros((len(ids), 20), np.uint8))
    write_texts(folder / "x_texts.jsonl", texts)
    return folder


def write_texts(path: Path, texts: Sequence[Text]) -> None:
    rows = [{"text_id": one, "text": text, "image_ids": list(ids)} for one, text, ids in texts]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def colours(n: int, seed: int = 0) -> dict[int, bytes]:
    """n pictures of different colours, ids 1 to n."""
    drawn = np.random.default_rng(seed).integers(0, 256, (n, 3)).tolist()
    return {number: png(tuple(colour)) for number, colour in enumerate(drawn, 1)}


def make_features(monkeypatch, folder: Path, *, n_shards: int = 1, official: tuple[Path, Path] | None = None) -> Path:
    """The features of a dataset; returns their folder."""
    monkeypatch.setattr(module, "open_model", lambda *_, **__: ColourEncoder())
    model = folder / "model"
    model.mkdir(exist_ok=True)
    parts = [folder / f"parts/{shard}.npz" for shard in range(n_shards)]
    for shard, part in enumerate(parts):
        picture_features(
            model=model,
            tsv=folder / "x_imgs.tsv",
            pictures=folder / "x_pictures.npz",
            shard=shard,
            n_shards=n_shards,
            part=part,
        )
    text_features(model=model, texts=folder / "x_texts.jsonl", part=folder / "parts/texts.npz")
    out = folder / "features" / "valid"
    join_features(picture_parts=parts, text_part=folder / "parts/texts.npz", folder=out, official=official)
    return out
