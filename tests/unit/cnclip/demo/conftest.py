"""A checked split of ten made-up pictures, and a model with random weights."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.cnclip.data.picture_list import PictureList, write_pictures
from scripts.cnclip.data.texts import Text, text_row
from scripts.cnclip.demo.examples import Split
from scripts.cnclip.model_files.architecture import random_model
from scripts.cnclip.model_files.folder import ModelFacts, save_model

N_PICTURES = 10


def picture(number: int, form: str) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, form)
    return content.getvalue()


@pytest.fixture(scope="session")
def split(tmp_path_factory: pytest.TempPathFactory) -> Split:
    """Text 500 + i is of picture 2 i and of the one before it; the last picture is a PNG."""
    folder = tmp_path_factory.mktemp("split")
    forms = ["JPEG"] * (N_PICTURES - 1) + ["PNG"]
    lines = [
        f"{number}\t{base64.b64encode(picture(number, form)).decode()}\n".encode() for number, form in enumerate(forms)
    ]
    offsets = np.cumsum([0, *map(len, lines[:-1])])
    (folder / "test_imgs.tsv").write_bytes(b"".join(lines))
    places = PictureList(np.arange(N_PICTURES), offsets, np.array([len(line) - 1 for line in lines]))
    write_pictures(folder / "test.npz", places, np.zeros((N_PICTURES, 20), np.uint8))
    texts = [Text(500 + i, f"第{i}张图片", (2 * i, max(0, 2 * i - 1))) for i in range(N_PICTURES // 2)]
    texts += [Text(600, "没有图片", ()), Text(601, "坏图片", (999,)), Text(602, "最后", (9,))]
    (folder / "test.jsonl").write_text("".join(map(text_row, texts)), encoding="utf-8")
    english = [text._replace(text=f"picture number {text.text_id}") for text in texts]
    (folder / "test.en.jsonl").write_text("no JSON\n" + "".join(map(text_row, english)), encoding="utf-8")
    return Split(folder / "test_imgs.tsv", folder / "test.npz", folder / "test.jsonl", {"en": folder / "test.en.jsonl"})


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    facts = ModelFacts("tiny", source="random weights", trained_on=("demo",))
    save_model(random_model("tiny", seed=1), folder, facts=facts)
    return folder
