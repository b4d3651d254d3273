"""The door to the encoders: what a dataset names is what is opened, and what is told from others without loading it."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.cnclip import encoder as cnclip_encoder
from scripts.cnclip.model_files.folder import ModelFacts, save_model
from scripts.search.encoders import open_chosen, open_encoder
from scripts.search.encoders.choice import choose_encoder
from scripts.shared.config import load_config
from scripts.shared.errors import ConfigError
from tests.cnclip_models import CHECKPOINT, golden_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of a tiny Chinese CLIP."""
    path = tmp_path_factory.mktemp("models") / "tiny"
    save_model(golden_model(), path, facts=ModelFacts(name="tiny"), vocab=None)
    return path


def config(**cnclip: Any) -> dict[str, Any]:
    return load_config({"results_dir": "results", "cnclip": cnclip}, lambda _: "config.yaml")


def test_a_model_folder_an_official_file_and_a_name_open_the_same_model(folder: Path) -> None:
    named = config(models={"base": {"weights": str(folder)}})
    by_name = open_encoder("chinese_clip", "base", named, device="cpu")
    by_place = open_encoder("chinese_clip", str(folder), config(), device="cpu")
    assert by_name.identity == by_place.identity
    pixels = np.random.default_rng(1).integers(0, 256, (2, 3, by_name.image_size, by_name.image_size), dtype=np.uint8)
    np.testing.assert_array_equal(by_name.encode_pixels(pixels), by_place.encode_pixels(pixels))
    said = [choose_encoder(named, "chinese_clip", "base"), choose_encoder(config(), "chinese_clip", str(folder))]
    assert said[0].settings == said[1].settings


def test_other_weights_are_told_from_others_and_a_copy_is_not(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    first, copy = (choose_encoder(config(), "chinese_clip", str(path)) for path in (folder, tmp_path / "copy"))
    assert first.settings == copy.settings
    weights = tmp_path / "copy" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    data[start] ^= 1
    weights.write_bytes(data)
    assert choose_encoder(config(), "chinese_clip", str(tmp_path / "copy")).settings != first.settings
    assert choose_encoder(config(), "chinese_clip", str(CHECKPOINT)).settings != first.settings


def test_what_rules_make_is_needed_and_told_by_its_facts() -> None:
    runs = {"kl": {"preset": "tiny", "dataset": "d"}}
    trained = config(runs=runs, datasets={"d": {"root": "demo"}})
    choice = choose_encoder(trained, "chinese_clip", "kl")
    assert choice.needs == ("results/cnclip/runs/kl/model",)
    assert choice.made_before == {"model": "results/cnclip/runs/kl/model/polymill.json"}
    exported = choose_encoder(trained, "onnx", "kl.onnx_int8")
    assert (exported.needs, exported.form) == (("results/cnclip/exports/kl",), "onnx_int8")
    assert exported.made_before == {"model": "results/cnclip/exports/kl/export.json"}
    official = choose_encoder(config(models={"base": {"weights": "w.pt"}}), "chinese_clip", "base")
    assert official.needs == ("results/cnclip/models/base",)
    with pytest.raises(ConfigError, match="is yet to be made"):
        open_chosen(choice)


def test_a_folder_of_exports_is_opened_in_its_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "export.json").write_text(json.dumps({"name": "kl"}))
    opened: list[tuple[Path, str, str]] = []
    monkeypatch.setattr(cnclip_encoder, "open_model", lambda path, form, device: opened.append((path, form, device)))
    choice = choose_encoder(config(), "onnx", f"{tmp_path}:onnx_fp16")
    assert choice.model == f"{tmp_path.name} onnx_fp16"
    assert choice.settings["form"] == "onnx_fp16"
    open_chosen(choice, device="cpu")
    assert opened == [(tmp_path, "onnx_fp16", "cpu")]


@pytest.mark.parametrize(
    ("encoder", "model", "says"),
    [
        ("conse", "base", "encoder: conse has none; take one of the two away"),
        ("chinese_clip", "", "needs a model: a name of cnclip.models or cnclip.runs"),
        ("chinese_clip", "nobody", "nobody is no model: neither a name of cnclip.models or cnclip.runs, nor a folder"),
        ("chinese_clip", "kl.onnx_int8", "is an exported form; take encoder: onnx"),
        ("chinese_clip", "base.best", "no form 'best' of 'base'"),
        ("onnx", "base", "says none of onnx_fp32, onnx_fp16, onnx_int8"),
        ("onnx", "elsewhere:onnx_int8", "elsewhere has no export.json"),
        ("onnx", "elsewhere", "needs a model with its form"),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_mend(encoder: str, model: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        choose_encoder(config(models={"base": {"weights": "w.pt"}}), encoder, model)
