import json
from pathlib import Path

import numpy as np
import pytest
import torch

from scripts.cnclip.model_files.architecture import random_model
from scripts.cnclip.model_files.official import (
    PREFIX,
    load_official,
    official_layout,
    read_checkpoint,
    to_official,
    to_transformers,
)
from scripts.cnclip.torch_encoder import image_features, text_features
from scripts.shared.errors import ConfigError
from tests.cnclip_models import CHECKPOINT, GOLDEN, HEADS, golden_model, official, save_checkpoint


def without_pooler() -> dict[str, torch.Tensor]:
    return {key: value for key, value in official().state.items() if not key.startswith("bert.pooler")}


def converted(**changes: torch.Tensor | None) -> dict[str, torch.Tensor]:
    """The golden state with tensors replaced, or with None taken out; `__` stands for a dot."""
    state = without_pooler()
    for name, value in changes.items():
        key = name.replace("__", ".")
        state.pop(key, None)
        if value is not None:
            state[key] = value
    return state


def test_checkpoint_is_read_whole() -> None:
    found = official()
    assert (found.epoch, found.step, found.name) == (3, 735, "tiny_vit")
    assert len(found.optimizer["param_groups"]) == 2
    assert len(without_pooler()) == 83


def test_features_logits_and_loss_are_upstreams() -> None:
    golden, model = np.load(GOLDEN / "tiny_vit_golden.npz"), golden_model()
    ids, pixels = torch.tensor(golden["input_ids"]), torch.tensor(golden["pixel_values"])
    with torch.inference_mode():
        texts, images = text_features(model, ids), image_features(model, pixels)
        trimmed = text_features(model, torch.tensor(golden["input_ids_trimmed"]))
        out = model(input_ids=ids, attention_mask=(ids != 0).long(), pixel_values=pixels)
        loss = model(
            input_ids=ids[:3], attention_mask=(ids[:3] != 0).long(), pixel_values=pixels, return_loss=True
        ).loss
    assert np.abs(images.numpy() - golden["image_features"]).max() < 1e-5
    assert np.abs(texts.numpy() - golden["text_features"]).max() < 1e-5
    assert np.abs(trimmed.numpy() - golden["text_features_trimmed"]).max() < 1e-5
    assert np.abs(out.image_embeds.numpy() - golden["image_features_norm"]).max() < 1e-5
    assert np.abs(out.text_embeds.numpy() - golden["text_features_norm"]).max() < 1e-5
    assert np.abs(out.logits_per_image.numpy() - golden["logits_per_image"]).max() < 2e-5
    assert abs(float(loss) - float(golden["loss_3_pairs"])) < 2e-5
    assert model.logit_scale.item() == pytest.approx(float(golden["logit_scale"]), abs=1e-6)


def test_there_and_back_changes_no_bit_and_keeps_upstreams_order() -> None:
    back = to_official(golden_model().state_dict())
    wanted = without_pooler()
    assert list(back) == [PREFIX + key for key in wanted]
    assert all(torch.equal(back[PREFIX + key], value) for key, value in wanted.items())
    assert all(value.is_contiguous() for value in back.values())


def test_back_and_there_changes_no_bit() -> None:
    state = random_model("tiny", 3).state_dict()
    config, again = to_transformers(to_official(state))
    assert config.vision_config.num_attention_heads == 2
    assert state.keys() == again.keys()
    assert all(torch.equal(value, again[key]) for key, value in state.items())


def test_order_of_parameters_is_that_of_upstreams_optimizer() -> None:
    rule = json.loads((GOLDEN / "lr_golden.json").read_text(encoding="utf-8"))["weight_decay"]
    names = [PREFIX + tensor.name for tensor in official_layout(3, 2)]
    for wanted, group in zip((rule["not_decayed"], rule["decayed"]), official().optimizer["param_groups"], strict=True):
        assert [name for name in names if name in set(wanted)] == wanted
        assert len(group["params"]) == len(wanted)


def test_heads_are_those_of_the_architecture_with_these_sizes() -> None:
    pruned = to_official(random_model("tiny-teacher", 0).state_dict())
    for key in [key for key in pruned if key.endswith("c_fc.weight")]:
        pruned[key] = pruned[key][:200]
        stem = key.removesuffix("c_fc.weight")
        pruned[f"{stem}c_fc.bias"] = pruned[f"{stem}c_fc.bias"][:200]
        pruned[f"{stem}c_proj.weight"] = pruned[f"{stem}c_proj.weight"][:, :200]
    config, _ = to_transformers(pruned)
    assert (config.vision_config.num_attention_heads, config.vision_config.intermediate_size) == (3, 200)


def test_bare_state_dict_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "bare.pt"
    torch.save(without_pooler(), path)
    found = read_checkpoint(path)
    assert found.state.keys() == without_pooler().keys()
    assert (found.epoch, found.optimizer) == (0, {})


def test_resnet_is_refused_with_the_reason() -> None:
    state = {"visual.layer1.0.conv1.weight": torch.zeros(1), **without_pooler()}
    with pytest.raises(ConfigError, match="is an RN50, which is not supported"):
        to_transformers(state)


def test_nan_is_found_with_its_place(tmp_path: Path) -> None:
    bad = without_pooler()["visual.ln_post.weight"].clone()
    bad[7] = torch.nan
    path = save_checkpoint(tmp_path / "nan.pt", converted(visual__ln_post__weight=bad))
    with pytest.raises(ConfigError, match=r"nan.pt: 1 of 24 values of vision_model.post_layernorm.weight.*at \[7\]"):
        load_official(path)


def test_tensor_of_another_size_is_named(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "other.pt", converted(visual__ln_post__weight=torch.ones(32)))
    with pytest.raises(ConfigError, match=r"post_layernorm.weight has the shape \(32,\); expected was \(24,\)"):
        load_official(path)


def test_missing_and_unknown_tensors_are_named() -> None:
    with pytest.raises(ConfigError, match=r"x.pt: tensor 'visual.ln_post.bias' is missing"):
        to_transformers(converted(visual__ln_post__bias=None), where="x.pt", **HEADS)
    with pytest.raises(ConfigError, match=r"'visual.extra' is no tensor of a Chinese CLIP"):
        to_transformers(converted(visual__extra=torch.zeros(1)), **HEADS)
    with pytest.raises(ConfigError, match=r"has no tensor 'visual.proj'"):
        to_transformers(converted(visual__proj=None), **HEADS)


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ConfigError, match="5 heads do not divide the vision tower's width of 24"):
        to_transformers(without_pooler(), vision_heads=5)


def test_damaged_and_absent_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.pt"
    path.write_bytes(CHECKPOINT.read_bytes()[:5000])
    with pytest.raises(ConfigError, match=r"cut.pt: not loaded, and nothing in it was run"):
        read_checkpoint(path)
    with pytest.raises(ConfigError, match=r"none.pt: no such file"):
        read_checkpoint(tmp_path / "none.pt")


@pytest.mark.parametrize("value", [[1, 2], {"state_dict": {}}, {"epoch": 3}], ids=str)
def test_file_without_tensors_is_no_checkpoint(tmp_path: Path, value: object) -> None:
    path = tmp_path / "other.pt"
    torch.save(value, path)
    with pytest.raises(ConfigError, match="no Chinese-CLIP checkpoint"):
        read_checkpoint(path)
