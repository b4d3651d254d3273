import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from scripts.cnclip.model_files.assembly import assemble, resize_position_embedding
from scripts.cnclip.torch_encoder import image_features
from scripts.shared.errors import ConfigError
from tests.cnclip_models import GOLDEN, golden_model, official

POSITIONS = np.load(GOLDEN / "pos_embed_golden.npz")


class _Tree(nn.Module):
    """Modules nested as the dots in the names of their parameters say."""

    def __init__(self, state: dict[str, torch.Tensor]) -> None:
        super().__init__()
        for stem in dict.fromkeys(key.partition(".")[0] for key in state if "." in key):
            inner = {key.removeprefix(f"{stem}."): value for key, value in state.items() if key.startswith(f"{stem}.")}
            self.add_module(stem, _Tree(inner))
        for key, value in state.items():
            if "." not in key:
                self.register_parameter(key, nn.Parameter(value, requires_grad=False))


def openai_state() -> dict[str, torch.Tensor]:
    """The golden vision tower as OpenAI's file has it: half precision, beside a text tower that is not taken."""
    visual = {key: value.half() for key, value in official().state.items() if key.startswith("visual.")}
    return visual | {"logit_scale": torch.tensor(4.6052), "text_projection": torch.ones(4, 20)}


def bert_folder(folder: Path, **changes: object) -> Path:
    """The golden text tower as a folder of BERT with its old names and its heads for masked words."""
    folder.mkdir()
    state = {"cls.predictions.bias": torch.zeros(21128), "bert.pooler.dense.weight": torch.ones(16, 16)}
    for key, value in official().state.items():
        if key.startswith("bert."):
            old = key.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
            state[old] = value
    torch.save(state, folder / "pytorch_model.bin")
    said = {
        "model_type": "bert",
        "hidden_size": 16,
        "intermediate_size": 40,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 64,
        "vocab_size": 21128,
    }
    (folder / "config.json").write_text(json.dumps(said | changes))
    return folder


@pytest.fixture
def openai(tmp_path: Path) -> Path:
    path = tmp_path / "ViT.pt"
    torch.save(openai_state(), path)
    return path


@pytest.mark.parametrize("grid", [3, 6, 7])
def test_resized_positions_are_upstreams(grid: int) -> None:
    resized = resize_position_embedding(torch.tensor(POSITIONS["grid4"]), grid)
    assert np.abs(resized.numpy() - POSITIONS[f"grid{grid}"]).max() < 1e-6


def test_towers_are_taken_whole_and_the_text_projection_is_fresh(openai: Path, tmp_path: Path) -> None:
    state = assemble(openai, bert_folder(tmp_path / "bert"), seed=4).state_dict()
    wanted = golden_model().state_dict()
    assert state.keys() == wanted.keys()
    for key, value in wanted.items():
        if key.startswith(("vision_model.", "visual_projection.")):
            assert torch.equal(state[key], value.half().float()), key
        elif key.startswith("text_model."):
            assert torch.equal(state[key], value), key
    assert state["logit_scale"].item() == pytest.approx(4.6052)
    assert state["text_projection.weight"].std().item() == pytest.approx(16**-0.5, rel=0.2)


def test_equal_seeds_give_equal_projections(openai: Path, tmp_path: Path) -> None:
    text = bert_folder(tmp_path / "bert")
    first, second, third = (assemble(openai, text, seed=seed).text_projection.weight for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def test_torchscript_archive_is_read_and_gives_the_same(openai: Path, tmp_path: Path) -> None:
    archive = tmp_path / "ViT-B-16.pt"
    torch.jit.save(torch.jit.script(_Tree(openai_state())), archive)
    text = bert_folder(tmp_path / "bert")
    first, second = (assemble(path, text, seed=1).state_dict() for path in (openai, archive))
    assert all(torch.equal(value, second[key]) for key, value in first.items())


def test_hugging_face_clip_is_read_and_gives_the_golden_features(tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    folder.mkdir()
    state = {
        key: value
        for key, value in golden_model().state_dict().items()
        if key.startswith(("vision_model.", "visual_projection."))
    }
    save_file(state | {"text_model.final_layer_norm.bias": torch.ones(3)}, folder / "model.safetensors")
    sizes = {
        "hidden_size": 24,
        "intermediate_size": 96,
        "num_hidden_layers": 3,
        "num_attention_heads": 3,
        "patch_size": 8,
        "image_size": 32,
    }
    (folder / "config.json").write_text(json.dumps({"model_type": "clip", "vision_config": sizes}))
    model = assemble(folder, bert_folder(tmp_path / "bert"), seed=1)
    golden = np.load(GOLDEN / "tiny_vit_golden.npz")
    with torch.inference_mode():
        features = image_features(model, torch.tensor(golden["pixel_values"])).numpy()
    assert np.abs(features - golden["image_features"]).max() < 1e-5
    assert model.logit_scale.item() == pytest.approx(np.log(1 / 0.07))


def test_other_picture_size_resizes_the_positions(openai: Path, tmp_path: Path) -> None:
    text = bert_folder(tmp_path / "bert")
    model = assemble(openai, text, seed=1, image_size=48)
    assert model.config.vision_config.image_size == 48
    before = assemble(openai, text, seed=1).vision_model.embeddings.position_embedding.weight.detach()
    after = model.vision_model.embeddings.position_embedding.weight
    assert torch.equal(after, resize_position_embedding(before, 6))
    assert model.get_image_features(pixel_values=torch.zeros(1, 3, 48, 48)).pooler_output.shape == (1, 20)
    with pytest.raises(ConfigError, match="image_size: 50 is no multiple of the model's patches of 8"):
        assemble(openai, text, seed=1, image_size=50)


def test_text_tower_that_is_no_bert_is_refused(openai: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config.json: describes a model of the type 'xlm-roberta'"):
        assemble(openai, bert_folder(tmp_path / "xlm", model_type="xlm-roberta"), seed=1)
    with pytest.raises(ConfigError, match="does not say the sizes of a BERT"):
        assemble(openai, bert_folder(tmp_path / "sizes", hidden_size=None), seed=1)
    with pytest.raises(ConfigError, match=r"none/config.json: cannot be read"):
        assemble(openai, tmp_path / "none", seed=1)


def test_text_tower_of_another_size_than_its_configuration_is_refused(openai: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"layer.2.* is missing"):
        assemble(openai, bert_folder(tmp_path / "bert", num_hidden_layers=3), seed=1)


def test_vision_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    text, path = bert_folder(tmp_path / "bert"), tmp_path / "ViT.pt"
    with pytest.raises(ConfigError, match=r"ViT.pt: no such file"):
        assemble(path, text, seed=1)
    torch.save({"visual.layer1.0.conv1.weight": torch.zeros(1)}, path)
    with pytest.raises(ConfigError, match="RN50, which is not supported"):
        assemble(path, text, seed=1)
    torch.save(openai_state() | {"visual.proj": torch.zeros(3)}, path)
    with pytest.raises(ConfigError, match=r"visual.proj has the shape \(3,\)"):
        assemble(path, text, seed=1)
    state = openai_state()
    del state["visual.ln_post.bias"]
    torch.save(state, path)
    with pytest.raises(ConfigError, match=r"tensor 'visual.ln_post.bias' is missing"):
        assemble(path, text, seed=1)
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(ConfigError, match="not loaded, and nothing in it was run"):
        assemble(path, text, seed=1)
