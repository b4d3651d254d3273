"""OpenAI's tensors come to lie where transformers has them: checked against OpenAI's own arithmetic elsewhere.

What a CLIP computes from an OpenAI file is compared in tests/unit/fgclip/model/test_clip_folder.py, and against golden
features in those of pose (text) and cnclip (vision).
"""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from scripts.shared.clip_weights import (
    SCALE,
    is_computed,
    missing_tensors,
    n_blocks,
    renamed,
    text_config,
    text_layout,
    vision_layout,
    vision_sizes,
)
from scripts.shared.errors import ConfigError

KEYS = Path(__file__).parents[2] / "data" / "golden" / "mardm" / "key_shapes_clip_vitb32_openai.json"


def openai_shapes() -> dict[str, Tensor]:
    """The tensors of OpenAI's ViT-B/32 without their numbers."""
    shapes = json.loads(KEYS.read_text())["shapes"]
    return {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}


def test_the_layouts_have_all_of_openais_tensors_and_no_other() -> None:
    state = openai_shapes()
    numbers = {"input_resolution", "context_length", "vocab_size"}  # beside the weights, in some files
    layout = {tensor.name for tensor in [*vision_layout(12), *text_layout(12), SCALE]}
    assert layout == state.keys() - numbers


def test_sizes_are_read_off_the_tensors() -> None:
    state = openai_shapes()
    dim, sizes = vision_sizes(state, "here")
    assert dim == 512
    assert sizes == (768, 12, 12, 32, 224, None)
    text = text_config(renamed(state, text_layout(n_blocks(state, "transformer.resblocks.")), "here"), {}, "here")
    assert (text.hidden_size, text.num_attention_heads, text.num_hidden_layers) == (512, 8, 12)
    assert (text.vocab_size, text.max_position_embeddings, text.projection_dim) == (49_408, 77, 512)


def test_query_key_and_value_are_three_parts_of_one_matrix() -> None:
    """Defect W1 of the guide's program: these matrices were left random in all 24 layers."""
    packed = next(tensor for tensor in vision_layout(1) if tensor.name.endswith("in_proj_weight"))
    parts = [torch.full((2, 2), float(number)) for number in range(3)]
    whole = packed.join(parts)
    assert whole[:, 0].tolist() == [0, 0, 1, 1, 2, 2]
    assert all(torch.equal(one, other) for one, other in zip(packed.split(whole), parts, strict=True))
    assert [part.rsplit(".", 2)[1] for part in packed.parts] == ["q_proj", "k_proj", "v_proj"]


def test_projections_are_turned_and_norms_are_not() -> None:
    """Defects W2 and W3 of the guide's program: a square projection copied as it was, the last norm never."""
    state = {tensor.name: torch.arange(4.0).view(2, 2) for tensor in text_layout(0)}
    found = renamed(state, text_layout(0), "here")
    assert torch.equal(found["text_projection.weight"], state["text_projection"].T)
    assert torch.equal(found["text_model.final_layer_norm.weight"], state["ln_final.weight"])


def test_missing_tensors_are_named() -> None:
    state = {tensor.name: torch.ones(2, 2) for tensor in text_layout(1)}
    del state["ln_final.bias"]
    with pytest.raises(ConfigError, match=r"here: tensor 'ln_final.bias' is missing; the file is not whole"):
        renamed(state, text_layout(1), "here")
    assert missing_tensors(["a", "b"]) == "2 tensors are missing: 'a', 'b'"
    assert missing_tensors(["a", "b", "c", "d"]) == "4 tensors are missing: 'a', 'b', 'c', ..."


def test_a_resnet_is_refused_with_the_reason() -> None:
    with pytest.raises(ConfigError, match=r"here: is an RN50, which is not supported"):
        vision_sizes({"visual.layer1.0.conv1.weight": torch.zeros(1)}, "here")


def test_patches_that_form_no_square_are_refused() -> None:
    state = openai_shapes() | {"visual.positional_embedding": torch.empty(1 + 48, 768, device="meta")}
    with pytest.raises(ConfigError, match=r"visual.positional_embedding has 48 patches, which form no square"):
        vision_sizes(state, "here")


@pytest.mark.parametrize(
    ("key", "computed"),
    [
        ("text_model.embeddings.position_ids", True),
        ("vision_model.embeddings.position_ids", True),
        ("text_model.embeddings.position_embedding.weight", False),
        ("embeddings.position_ids", False),
    ],
)
def test_position_numbers_are_no_weights(key: str, computed: bool) -> None:
    assert is_computed(key) is computed
