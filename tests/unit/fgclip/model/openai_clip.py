"""A small CLIP in OpenAI's layout, and what OpenAI's network computes of it, written without transformers."""

import torch
from torch import Tensor
from torch.nn import functional

VISION, TEXT = "visual.transformer.resblocks.", "transformer.resblocks."
_VISION_WIDTH, _TEXT_WIDTH, _DIM, _LAYERS, _PATCH, _GRID, _CONTEXT = 128, 64, 64, 2, 8, 3, 16
IMAGE = _GRID * _PATCH
_HEAD = 64
State = dict[str, Tensor]


def openai_state(seed: int = 0) -> State:
    """Random tensors. The text projection is square: turned the wrong way round it would fit all the same."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int, spread: float = 0.1) -> Tensor:
        return torch.randn(*shape, generator=generator) * spread

    def norm(name: str, width: int) -> State:
        return {f"{name}.weight": 1 + draw(width), f"{name}.bias": draw(width)}

    def linear(name: str, rows: int, columns: int) -> State:
        return {f"{name}.weight": draw(rows, columns), f"{name}.bias": draw(rows)}

    def blocks(prefix: str, width: int) -> State:
        state: State = {}
        for name in (f"{prefix}{number}" for number in range(_LAYERS)):
            state |= norm(f"{name}.ln_1", width) | norm(f"{name}.ln_2", width)
            state |= {
                f"{name}.attn.in_proj_weight": draw(3 * width, width),
                f"{name}.attn.in_proj_bias": draw(3 * width),
            }
            state |= linear(f"{name}.attn.out_proj", width, width)
            state |= linear(f"{name}.mlp.c_fc", 4 * width, width) | linear(f"{name}.mlp.c_proj", width, 4 * width)
        return state

    return {
        "visual.class_embedding": draw(_VISION_WIDTH),
        "visual.positional_embedding": draw(1 + _GRID**2, _VISION_WIDTH),
        "visual.proj": draw(_VISION_WIDTH, _DIM),
        "visual.conv1.weight": draw(_VISION_WIDTH, 3, _PATCH, _PATCH),
        **norm("visual.ln_pre", _VISION_WIDTH),
        **norm("visual.ln_post", _VISION_WIDTH),
        **blocks(VISION, _VISION_WIDTH),
        "positional_embedding": draw(_CONTEXT, _TEXT_WIDTH),
        "text_projection": draw(_TEXT_WIDTH, _DIM),
        "token_embedding.weight": draw(49_408, _TEXT_WIDTH),
        **norm("ln_final", _TEXT_WIDTH),
        **blocks(TEXT, _TEXT_WIDTH),
        "logit_scale": torch.tensor(4.0),
    }


def image_features(state: State, pixels: Tensor) -> Tensor:
    """(N, D) of (N, 3, S, S)."""
    patches = functional.conv2d(pixels, state["visual.conv1.weight"], stride=_PATCH).flatten(2).transpose(1, 2)
    token = state["visual.class_embedding"].expand(len(pixels), 1, -1)
    values = torch.cat([token, patches], dim=1) + state["visual.positional_embedding"]
    values = _blocks(state, VISION, _norm(state, "visual.ln_pre", values), None)
    return _norm(state, "visual.ln_post", values[:, 0]) @ state["visual.proj"]


def text_features(state: State, ids: Tensor) -> Tensor:
    """(N, D) of (N, n) ids, read at the highest."""
    length = ids.shape[1]
    ahead = torch.full((length, length), -torch.inf).triu(1)
    values = state["token_embedding.weight"][ids] + state["positional_embedding"][:length]
    values = _norm(state, "ln_final", _blocks(state, TEXT, values, ahead))
    return values[torch.arange(len(ids)), ids.argmax(-1)] @ state["text_projection"]


def _blocks(state: State, prefix: str, values: Tensor, mask: Tensor | None) -> Tensor:
    width = values.shape[-1]
    for name in (f"{prefix}{number}" for number in range(_LAYERS)):
        seen = _norm(state, f"{name}.ln_1", values).transpose(0, 1)
        attended, _ = functional.multi_head_attention_forward(
            *(seen, seen, seen, width, width // _HEAD),
            *(state[f"{name}.attn.in_proj_{kind}"] for kind in ("weight", "bias")),
            *(None, None, False, 0.0),
            *(state[f"{name}.attn.out_proj.{kind}"] for kind in ("weight", "bias")),
            training=False,
            need_weights=False,
            attn_mask=mask,
        )
        values = values + attended.transpose(0, 1)
        hidden = _linear(state, f"{name}.mlp.c_fc", _norm(state, f"{name}.ln_2", values))
        values = values + _linear(state, f"{name}.mlp.c_proj", hidden * torch.sigmoid(1.702 * hidden))
    return values


def _norm(state: State, name: str, values: Tensor) -> Tensor:
    return functional.layer_norm(values, values.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"])


def _linear(state: State, name: str, values: Tensor) -> Tensor:
    return functional.linear(values, state[f"{name}.weight"], state[f"{name}.bias"])
