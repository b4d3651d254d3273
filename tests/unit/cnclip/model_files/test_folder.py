import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from scripts.cnclip.model_files.architecture import random_model
from scripts.cnclip.model_files.folder import ModelFacts, load_model, read_facts, save_model
from scripts.cnclip.pixels import pixel_values
from scripts.cnclip.tokens import VOCABULARY_FILE, Tokenizer
from scripts.shared.errors import ConfigError
from tests.unit.cnclip.test_pixels import shipped

FACTS = ModelFacts("tiny one", "made here", ("demo",))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_model(random_model("tiny", 1), tmp_path / "model", facts=FACTS)
    return tmp_path / "model"


def replace_tensor(folder: Path, key: str, value: torch.Tensor | None) -> None:
    """Change a tensor, or with None take it out, of a folder that forgets its sha256."""
    state = load_file(folder / "model.safetensors")
    del state[key]
    save_file(state if value is None else state | {key: value}, folder / "model.safetensors")
    (folder / "polymill.json").unlink()


def test_folder_gives_back_weights_and_facts(folder: Path) -> None:
    state, again = random_model("tiny", 1).state_dict(), load_model(folder).state_dict()
    assert state.keys() == again.keys()
    assert all(torch.equal(value, again[key]) for key, value in state.items())
    facts = read_facts(folder)
    assert (facts.name, facts.source, facts.trained_on, facts.kind) == (
        "tiny one",
        "made here",
        ("demo",),
        "chinese_clip",
    )
    assert facts.tokenizer_sha256 == Tokenizer().identity


def test_loaded_model_computes_what_the_saved_one_does(folder: Path) -> None:
    model, again = random_model("tiny", 1), load_model(folder)
    ids = torch.from_numpy(Tokenizer().encode(["一只猫", "红色的杯子"]))
    with torch.inference_mode():
        features = [one.get_text_features(input_ids=ids).pooler_output for one in (model, again)]
        pixels = [one.get_image_features(pixel_values=torch.ones(1, 3, 32, 32)).pooler_output for one in (model, again)]
    assert torch.equal(*features)
    assert torch.equal(*pixels)
    assert not again.training


def test_loaded_model_can_be_trained(folder: Path) -> None:
    model = load_model(folder)
    model.get_image_features(pixel_values=torch.ones(1, 3, 32, 32)).pooler_output.sum().backward()
    assert model.visual_projection.weight.grad is not None


def test_equal_weights_give_equal_bytes(folder: Path, tmp_path: Path) -> None:
    save_model(load_model(folder), tmp_path / "again", facts=FACTS)
    names = sorted(path.name for path in folder.iterdir())
    assert names == [
        "config.json",
        "model.safetensors",
        "polymill.json",
        "preprocessor_config.json",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    assert all((folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes() for name in names)


def test_folder_that_is_there_is_replaced_and_nothing_is_left_beside(folder: Path) -> None:
    (folder / "old.onnx").write_bytes(b"of the old weights")
    save_model(random_model("tiny", 2), folder, facts=ModelFacts("second"))
    assert read_facts(folder).name == "second"
    assert not (folder / "old.onnx").exists()
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_failed_save_leaves_the_old_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("scripts.cnclip.model_files.folder.save_file", full)
    with pytest.raises(OSError, match="No space"):
        save_model(random_model("tiny", 2), folder, facts=ModelFacts("second"))
    assert read_facts(folder).name == "tiny one"
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_others_load_the_folder_offline_with_the_same_ids_and_pixels(folder: Path, tmp_path: Path) -> None:
    """By the names that others use, in a process that cannot reach anything."""
    code = """
import sys, numpy as np
from PIL import Image
from transformers import AutoProcessor, ChineseCLIPModel, logging
logging.set_verbosity_error()
folder, out, *pictures = sys.argv[1:]
processor = AutoProcessor.from_pretrained(folder)
made = processor(
    text=["一只猫", "红色 ABC 杯子"], images=[Image.open(path) for path in pictures],
    padding="max_length", return_tensors="np",
)
assert len(processor.tokenizer) == 21128
model = ChineseCLIPModel.from_pretrained(folder)
scale = model.logit_scale.item()
np.savez(out, ids=made["input_ids"], mask=made["attention_mask"], pixels=made["pixel_values"], scale=scale)
"""
    pictures = [shipped("china.jpg"), shipped("chelsea.png")]
    out = tmp_path / "made.npz"
    subprocess.run(
        [sys.executable, "-c", code, folder, out, *pictures],
        check=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)},
    )
    made = np.load(out)
    ids = Tokenizer().encode(["一只猫", "红色 ABC 杯子"])
    assert np.array_equal(made["ids"], ids)
    assert np.array_equal(made["mask"], ids != 0)
    assert np.array_equal(made["pixels"], np.stack([pixel_values(Image.open(path), 32) for path in pictures]))
    assert float(made["scale"]) == pytest.approx(np.log(1 / 0.07))


def test_folder_that_others_made_is_read(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    extra = {
        "text_model.embeddings.position_ids": torch.arange(64)[None],
        "text_model.pooler.dense.weight": torch.ones(64, 64),
    }
    torch.save(state | extra, folder / "pytorch_model.bin")
    for name in ("model.safetensors", "polymill.json", "vocab.txt"):
        (folder / name).unlink()
    assert torch.equal(load_model(folder).text_projection.weight, state["text_projection.weight"])
    facts = read_facts(folder)
    assert (facts.name, len(facts.weights_sha256), facts.tokenizer_sha256) == ("model", 64, Tokenizer().identity)


def test_folder_without_its_parts_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="none: no such model folder"):
        load_model(tmp_path / "none")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match=r"has neither model.safetensors nor pytorch_model.bin"):
        load_model(folder)
    (folder / "config.json").unlink()
    with pytest.raises(ConfigError, match=r"model: has no config.json"):
        load_model(folder)


def test_configuration_of_another_model_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "clip"}')
    with pytest.raises(ConfigError, match="type 'clip', not 'chinese_clip'"):
        load_model(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(ConfigError, match=r"config.json: is no JSON"):
        load_model(folder)
    (folder / "config.json").write_text('{"model_type": "chinese_clip", "vision_config": {"hidden_size": "wide"}}')
    with pytest.raises(ConfigError, match="is not the configuration of a Chinese CLIP"):
        load_model(folder)


def test_weights_of_another_size_are_refused(folder: Path) -> None:
    said = json.loads((folder / "config.json").read_text())
    said["vision_config"]["image_size"] = 64
    (folder / "config.json").write_text(json.dumps(said))
    with pytest.raises(
        ConfigError, match=r"position_embedding.weight has the shape \(17, 64\); expected was \(65, 64\)"
    ):
        load_model(folder)


def test_missing_tensor_is_named(folder: Path) -> None:
    replace_tensor(folder, "text_projection.weight", None)
    with pytest.raises(ConfigError, match=r"key 'text_projection.weight' is missing"):
        load_model(folder)


def test_infinite_weight_is_found_with_its_place(folder: Path) -> None:
    bad = load_file(folder / "model.safetensors")["text_projection.weight"].clone()
    bad[3, 5] = torch.inf
    replace_tensor(folder, "text_projection.weight", bad)
    with pytest.raises(ConfigError, match=r"1 of 4,096 values of text_projection.weight.*first at \[3, 5\]"):
        load_model(folder)


def test_weights_that_changed_since_are_refused(folder: Path) -> None:
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "model.safetensors").write_bytes(data)
    with pytest.raises(ConfigError, match=r"is not the file that polymill.json beside it tells of"):
        load_model(folder)


def test_cut_weights_are_refused(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    (folder / "polymill.json").unlink()
    with pytest.raises(ConfigError, match=r"model.safetensors: is damaged"):
        load_model(folder)


def test_damaged_facts_are_refused(folder: Path) -> None:
    (folder / "polymill.json").write_text('{"name": "x"}')
    with pytest.raises(ConfigError, match=r"polymill.json: does not hold the facts of a model"):
        read_facts(folder)


@pytest.mark.parametrize(
    ("key", "value"), [("context_length", "52"), ("context_length", None), ("name", {}), ("kind", 5), ("source", ["a"])]
)
def test_facts_of_another_type_are_refused(folder: Path, key: str, value: object) -> None:
    said = json.loads((folder / "polymill.json").read_text()) | {key: value}
    (folder / "polymill.json").write_text(json.dumps(said))
    with pytest.raises(ConfigError, match=rf"polymill.json: does not hold the facts of a model \({key} is "):
        read_facts(folder)


@pytest.mark.parametrize(
    ("part", "key", "size"),
    [
        ("vision", "patch_size", 0),
        ("text", "hidden_size", 0),
        ("text", "num_hidden_layers", 10**6),
        ("vision", "image_size", 10**7),
    ],
)
def test_sizes_that_no_model_has_are_refused_before_one_is_built(folder: Path, part: str, key: str, size: int) -> None:
    said = json.loads((folder / "config.json").read_text())
    said[f"{part}_config"][key] = size
    (folder / "config.json").write_text(json.dumps(said))
    with pytest.raises(ConfigError, match=rf"config.json: is not .* \(the {part}'s [a-z]+ is {size}, out of 1 to "):
        load_model(folder)


def test_vocabulary_of_another_model_is_refused(tmp_path: Path) -> None:
    vocab = tmp_path / "vocab.txt"
    vocab.write_bytes(b"".join(VOCABULARY_FILE.read_bytes().splitlines(keepends=True)[:2000]))
    with pytest.raises(ConfigError, match=r"vocab.txt: is a vocabulary of 2,000 entries.*for 21,128"):
        save_model(random_model("tiny", 1), tmp_path / "model", facts=FACTS, vocab=vocab)
    assert not (tmp_path / "model").exists()
