import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scripts.cnclip.model_files.folder import ModelFacts, read_facts, save_model
from scripts.cnclip.training.loading import Pairs
from scripts.cnclip.training.options import Distillation
from scripts.cnclip.training.teacher import RunningTeacher, open_stored
from scripts.cnclip.training.towers import image_rows, text_rows
from scripts.shared.errors import ConfigError
from tests.cnclip_models import golden_model
from tests.unit.cnclip.training.golden_runs import NO_TEACHER, golden_pairs

CPU = torch.device("cpu")


def kd(name: str) -> Distillation:
    return Distillation(**{**NO_TEACHER, "name": name, "teacher": "t"})  # type: ignore[arg-type]


def write_features(folder: Path, **changed: Any) -> Path:
    """Features of three pictures and two texts, ids out of order."""
    folder.mkdir()
    random = np.random.default_rng(0)
    arrays = {
        "image_ids": np.array([7, 3, 100]),
        "image_features": random.normal(size=(3, 4)).astype(np.float32),
        "text_ids": np.array([1, 0]),
        "text_features": random.normal(size=(2, 4)).astype(np.float16),
    } | changed
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    (folder / "facts.json").write_text(json.dumps({"logit_scale": 20.0}))
    return folder


def pairs(image_ids: list[int], text_ids: list[int]) -> Pairs:
    empty = torch.zeros(len(image_ids), 1)
    return Pairs(empty, empty, torch.tensor(image_ids), torch.tensor(text_ids), ())


def test_rows_are_found_by_their_ids(tmp_path: Path) -> None:
    folder = write_features(tmp_path / "t")
    teacher = open_stored(folder, kd("kl"))
    found = teacher.rows(pairs([100, 7], [0, 1]), CPU)
    wanted = np.load(folder / "image_features.npy")[[2, 0]]
    np.testing.assert_allclose(found.images, wanted / np.linalg.norm(wanted, axis=1, keepdims=True), rtol=1e-6)
    assert found.texts is not None
    np.testing.assert_allclose(found.texts.norm(dim=1), 1, rtol=1e-6)
    assert (teacher.scale, teacher.dim) == (20.0, 4)


def test_a_teacher_of_other_pictures_is_refused(tmp_path: Path) -> None:
    teacher = open_stored(write_features(tmp_path / "t"), kd("kl"))
    teacher.require(np.array([3, 7]), np.array([1]))
    with pytest.raises(ConfigError, match=r"other pictures: 1 of 2 .* such as 8"):
        teacher.require(np.array([3, 8]), np.array([1]))
    with pytest.raises(ConfigError, match=r"other texts"):
        teacher.require(np.array([3]), np.array([5]))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"image_features": np.full((3, 4), np.nan, np.float32)}, "finite"),
        ({"image_ids": np.array([7, 3, 7])}, "id 7 is there twice"),
        ({"text_ids": np.array([1, 0, 2])}, "do not go"),
        ({"image_ids": np.array([7.0, 3.0, 1.0])}, "do not go"),
    ],
)
def test_broken_features_are_refused(tmp_path: Path, changed: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        open_stored(write_features(tmp_path / "t", **changed), kd("kl"))


def test_pictures_alone_teach_by_cos_interp_and_by_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "team.npz"
    np.savez(path, image_ids=np.array([3, 7]), image_features=np.eye(2, 5, dtype=np.float32))
    teacher = open_stored(path, kd("cos_interp"))
    found = teacher.rows(pairs([7], [0]), CPU)
    assert found.texts is None
    assert found.images.tolist() == [[0, 1, 0, 0, 0]]
    with pytest.raises(ConfigError, match="cos_interp"):
        open_stored(path, kd("kl"))


def test_what_is_no_features_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.npz"):
        open_stored(tmp_path / "none.npz", kd("kl"))
    (tmp_path / "other.npz").write_bytes(b"what is this")
    with pytest.raises(ConfigError, match=r"other\.npz"):
        open_stored(tmp_path / "other.npz", kd("cos_interp"))


def test_a_model_that_runs_in_the_loop_sees_the_same_pairs(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    save_model(golden_model(), tmp_path / "teacher", facts=ModelFacts("teacher"))
    sha = read_facts(tmp_path / "teacher").tokenizer_sha256
    teacher = RunningTeacher(tmp_path / "teacher", CPU, image_size=32, tokenizer_sha256=sha, rows_at_once=4)
    found = teacher.rows(golden_pairs(), CPU)
    model = golden_model()
    with torch.no_grad():
        images, texts = image_rows(model, golden_pairs().pictures), text_rows(model, golden_pairs().ids)
    assert found.texts is not None
    torch.testing.assert_close(found.images, images, atol=1e-6, rtol=0)
    torch.testing.assert_close(found.texts, texts, atol=1e-6, rtol=0)
    with pytest.raises(ConfigError, match="64"):
        RunningTeacher(tmp_path / "teacher", CPU, image_size=64, tokenizer_sha256=sha, rows_at_once=4)
    with pytest.raises(ConfigError, match="vocabulary"):
        RunningTeacher(tmp_path / "teacher", CPU, image_size=32, tokenizer_sha256="other", rows_at_once=4)
