"""Small datasets in the official formats, and the way from them to the tables."""

import base64
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

from scripts.cnclip.data import checking
from scripts.cnclip.data.checking import Task, check_lines, check_shard
from scripts.cnclip.data.tables import make_tables


class Tables(NamedTuple):
    """What `make_tables` wrote for a split."""

    tsv: Path
    pictures: Path
    texts: Path
    rest: Path


def a_picture(seed: int, kind: str = "PNG", size: int = 6) -> bytes:
    """A small picture file; another for each seed."""
    content = io.BytesIO()
    Image.new("RGB", (size, size), (seed % 256, seed // 256 % 256, 90)).save(content, kind)
    return content.getvalue()


def tsv_row(image_id: int | str, data: bytes) -> bytes:
    """A line of a TSV."""
    return f"{image_id}\t".encode() + base64.b64encode(data) + b"\n"


def jsonl_row(text_id: object, text: object, image_ids: object) -> bytes:
    """A line of a file of texts."""
    return json.dumps({"text_id": text_id, "text": text, "image_ids": image_ids}).encode() + b"\n"


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Tables]:
    """Write a split's files, check them (in this process, which is quicker) and make its tables."""

    def here(_: str, groups: list[list[Task]], **__: object) -> Iterator[tuple[Task, Any]]:
        for group in groups:
            yield from zip(group, check_lines(group), strict=True)

    monkeypatch.setattr(checking, "run_groups", here)

    def make(tsv: bytes, jsonl: bytes, *, split: str = "train", n_shards: int = 1) -> Tables:
        folder = tmp_path / split
        folder.mkdir()
        (folder / f"{split}_imgs.tsv").write_bytes(tsv)
        (folder / f"{split}_texts.jsonl").write_bytes(jsonl)
        receipts = [folder / f"{shard}.jsonl" for shard in range(n_shards)]
        for shard, receipt in enumerate(receipts):
            check_shard(folder / f"{split}_imgs.tsv", receipt, shard=shard, n_shards=n_shards, workers=1)
        made = Tables(folder / f"{split}_imgs.tsv", folder / "good.npz", folder / "good.jsonl", folder / "rest.json")
        make_tables(
            receipts,
            folder / f"{split}_texts.jsonl",
            split=split,
            good_pictures=made.pictures,
            good_texts=made.texts,
            rest=made.rest,
        )
        return made

    return make
