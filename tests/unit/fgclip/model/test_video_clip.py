"""Step 0 is exactly CLIP; chunks change nothing but memory; regions are those of the boxes; rates and decay by part."""

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from scripts.fgclip.model.pixels import pixel_values
from scripts.fgclip.model.video_clip import VideoClip
from tests.unit.fgclip.model.networks import SIZE, WORDS, pictures, tiny_model, words


@pytest.fixture
def model() -> VideoClip:
    return tiny_model()


def text_ids(length: int | None = None) -> Tensor:
    return torch.from_numpy(words().encode(WORDS, length))


def open_gate(model: VideoClip) -> None:
    assert model.temporal is not None
    with torch.no_grad():
        model.temporal.gate.fill_(0.5)


@pytest.mark.parametrize("temporal_layers", [0, 2])
@torch.inference_mode()
def test_an_untrained_model_is_clip_and_the_mean_over_frames(temporal_layers: int) -> None:
    model = tiny_model(temporal_layers=temporal_layers)
    frames = pictures(8)
    mask = torch.tensor([[True] * 4, [True] * 3 + [False]])
    wanted = model.clip.get_image_features(pixel_values=pixel_values(frames)).pooler_output
    found = model.encode_frames(frames, dense=False, chunk=3)
    assert found.dense is None
    assert torch.allclose(found.pooled, wanted, atol=1e-6)
    timed = model.temporal_frames(found.pooled.view(2, 4, -1), mask)
    assert torch.equal(timed, found.pooled.view(2, 4, -1))
    means = torch.stack([wanted[:4].mean(0), wanted[4:7].mean(0)])
    assert torch.allclose(model.pool(timed, mask), functional.normalize(means, dim=-1), atol=1e-6)
    texts = model.clip.get_text_features(input_ids=text_ids()).pooler_output
    assert torch.allclose(model.encode_text(text_ids()), functional.normalize(texts, dim=-1), atol=1e-6)


@torch.inference_mode()
def test_the_dense_map_is_the_last_block_without_its_attention(model: VideoClip) -> None:
    frames = pictures(2)
    found = model.encode_frames(frames, dense=True, chunk=2)
    assert found.dense is not None
    assert found.dense.shape == (2, model.dim, SIZE // 8, SIZE // 8)
    vision = model.clip.vision_model
    states = vision(pixel_values(frames), output_hidden_states=True).hidden_states[-2]
    last = vision.encoder.layers[-1]
    attention = last.self_attn
    values = attention.out_proj(attention.v_proj(last.layer_norm1(states)))
    states = states + values
    states = states + last.mlp(last.layer_norm2(states))
    wanted = model.clip.visual_projection(vision.post_layernorm(states[:, 1:]))
    row, column = 4, 1
    assert torch.allclose(found.dense[:, :, row, column], wanted[:, row * model.grid + column], atol=1e-5)


def test_frames_are_bytes_or_numbers_alike(model: VideoClip) -> None:
    frames = pictures(2)
    by_hand = (frames[1, 5, 7, 2].item() / 255 - 0.40821073) / 0.27577711
    values = pixel_values(frames)
    assert values[1, 2, 5, 7].item() == pytest.approx(by_hand, abs=1e-6)
    with torch.inference_mode():
        found = [model.encode_frames(each, dense=False, chunk=8).pooled for each in (frames, values)]
    assert torch.equal(*found)


def gradients(model: VideoClip, chunk: int) -> Iterator[tuple[str, Tensor]]:
    model.zero_grad()
    found = model.encode_frames(pictures(7), dense=True, chunk=chunk)
    assert found.dense is not None
    (found.pooled.square().mean() + found.dense.square().mean()).backward()
    for name, part in model.named_parameters():
        if part.grad is not None:
            yield name, part.grad.clone()


def test_chunks_change_no_feature_and_no_gradient(model: VideoClip) -> None:
    model.train()
    whole, chunked = dict(gradients(model, 7)), dict(gradients(model, 3))
    assert whole.keys() == chunked.keys()
    assert any(name.startswith("clip.vision_model.embeddings") for name in whole)
    assert all(torch.allclose(value, chunked[name], atol=1e-6) for name, value in whole.items())


def kept_for_gradients(model: VideoClip, n_frames: int, chunk: int) -> int:
    """Numbers that the graph of some frames holds, besides weights."""
    weights = {part.data_ptr() for part in model.parameters()}
    held: dict[int, int] = {}

    def hold(value: Tensor) -> Tensor:
        if value.data_ptr() not in weights:
            held[value.data_ptr()] = value.numel()
        return value

    with torch.autograd.graph.saved_tensors_hooks(hold, lambda value: value):
        found = model.encode_frames(pictures(n_frames), dense=True, chunk=chunk)
    assert found.pooled.requires_grad
    return sum(held.values())


def test_only_the_inputs_of_chunks_but_the_last_are_kept_for_the_gradient(model: VideoClip) -> None:
    model.train()
    one_chunk = kept_for_gradients(model, 8, chunk=8)
    assert one_chunk > 5 * pictures(8).numel()
    assert kept_for_gradients(model, 24, chunk=8) <= one_chunk + 1.1 * pictures(16).numel()


def test_the_last_chunk_is_not_computed_again(model: VideoClip, monkeypatch: pytest.MonkeyPatch) -> None:
    computed, encode = [], model._encode_chunk
    monkeypatch.setattr(model, "_encode_chunk", lambda frames, dense: computed.append(0) or encode(frames, dense))
    model.train()
    dict(gradients(model, 3))  # of 7 frames
    assert len(computed) == 3 + 2


def test_a_region_is_the_mean_over_its_frames_of_what_lies_in_its_box(model: VideoClip) -> None:
    """Defect L1 of the guide's program: regions were whole frames of their span, and no box was ever looked at."""
    dense = torch.randn(1, 3, model.dim, 6, 6, generator=torch.Generator().manual_seed(5))
    boxes = torch.zeros(1, 3, 2, 4)
    boxes[0, :, 0] = torch.tensor([0, 0, 1 / 6, 1 / 6])
    boxes[0, :, 1] = torch.tensor([1 / 3, 1 / 2, 1 / 2, 2 / 3])
    mask = torch.tensor([[[True, True], [True, False], [False, True]]])
    found = model.regions(dense, boxes, mask)
    first = dense[0, :2, :, 0, 0].mean(0)
    second = dense[0, [0, 2], :, 3, 2].mean(0)
    wanted = functional.normalize(torch.stack([first, second]), dim=-1)
    assert torch.allclose(found.features[0], wanted, atol=1e-6)
    assert found.kept.tolist() == [[True, True]]


def test_a_region_without_a_box_is_not_kept_and_breaks_no_gradient(model: VideoClip) -> None:
    """Defect L2 of the guide's program: regions without boxes were clips of zeros that the loss took for positives."""
    dense = torch.randn(1, 2, model.dim, 6, 6, generator=torch.Generator().manual_seed(5), requires_grad=True)
    boxes = torch.tensor([0.1, 0.1, 0.6, 0.6]).expand(1, 2, 2, 4)
    found = model.regions(dense, boxes, torch.tensor([[[True, False], [True, False]]]))
    assert found.kept.tolist() == [[True, False]]
    assert found.features[0, 1].abs().max().item() == 0
    assert found.features[0, 0].norm().item() == pytest.approx(1, abs=1e-6)
    found.features.sum().backward()
    assert dense.grad is not None
    assert torch.isfinite(dense.grad).all()


def test_both_scales_begin_as_clips_and_end_at_a_hundred(model: VideoClip) -> None:
    """Defect N2 of the guide's program: the scale of regions had no upper end."""
    assert model.scale().item() == pytest.approx(math.exp(2.6592), rel=1e-5)
    assert model.region_scale().item() == pytest.approx(model.scale().item())
    with torch.no_grad():
        model.logit_scale.fill_(9)
        model.region_logit_scale.fill_(9)
    assert (model.scale().item(), model.region_scale().item()) == (pytest.approx(100), pytest.approx(100))


def test_rates_go_by_part_and_scales_norms_and_biases_do_not_decay(model: VideoClip) -> None:
    """Defects N3 and N4 of the guide's program: it decayed the scale, and gave new modules CLIP's small rate."""
    groups = model.parameter_groups(lr=1e-5, text_lr=5e-6, new_lr=1e-4, weight_decay=0.01)
    by_id = {id(part): group for group in groups for part in group["params"]}
    names = dict(model.named_parameters())
    assert len(by_id) == len(names) == sum(len(group["params"]) for group in groups)
    wanted = {
        "clip.vision_model.encoder.layers.0.mlp.fc1.weight": (1e-5, 0.01),
        "clip.vision_model.encoder.layers.0.mlp.fc1.bias": (1e-5, 0.0),
        "clip.vision_model.embeddings.class_embedding": (1e-5, 0.0),
        "clip.visual_projection.weight": (1e-5, 0.01),
        "clip.text_model.final_layer_norm.weight": (5e-6, 0.0),
        "clip.text_projection.weight": (5e-6, 0.01),
        "clip.logit_scale": (1e-5, 0.0),
        "region_logit_scale": (1e-5, 0.0),
        "temporal.gate": (1e-4, 0.0),
        "temporal.encoder.layers.1.linear1.weight": (1e-4, 0.01),
        "pooling.score.bias": (1e-4, 0.0),
    }
    found = {name: (by_id[id(names[name])]["lr"], by_id[id(names[name])]["weight_decay"]) for name in wanted}
    assert found == wanted


@pytest.mark.parametrize(
    ("mode", "learning", "still"),
    [
        ("all", ["clip.vision_model.embeddings.class_embedding", "clip.text_projection.weight"], []),
        (
            1,
            ["clip.vision_model.encoder.layers.1.layer_norm1.weight", "clip.text_model.encoder.layers.1.mlp.fc1.bias"],
            [
                "clip.vision_model.encoder.layers.0.layer_norm1.weight",
                "clip.text_model.embeddings.token_embedding.weight",
            ],
        ),
        ("none", ["temporal.gate"], ["clip.visual_projection.weight", "clip.text_model.final_layer_norm.bias"]),
    ],
)
def test_finetune_says_what_of_clip_learns(
    model: VideoClip, mode: str | int, learning: list[str], still: list[str]
) -> None:
    """What is new always does: defect W6 of the guide's program froze the temporal module at random weights."""
    model.finetune(mode)
    there = {name: part.requires_grad for name, part in model.named_parameters()}
    new = ["temporal.encoder.layers.0.linear1.weight", "pooling.score.weight"]
    always = ["clip.logit_scale", "region_logit_scale", *new]
    assert all(there[name] for name in [*learning, *always])
    assert not any(there[name] for name in still)
    grouped = model.parameter_groups(lr=1, text_lr=1, new_lr=1, weight_decay=1)
    assert sum(len(group["params"]) for group in grouped) == sum(there.values())


@pytest.mark.parametrize("mode", ["some", 0, True])
def test_another_finetune_is_refused(model: VideoClip, mode: str | int) -> None:
    with pytest.raises(ValueError, match="choose all, none or a number of blocks"):
        model.finetune(mode)


def test_padding_after_the_end_changes_no_text(model: VideoClip) -> None:
    ids = text_ids()
    padded = ids.clone()
    for row in padded:
        row[int(row.argmax()) + 1 :] = words().end_id  # some tokenizers pad with the end
    with torch.inference_mode():
        assert torch.allclose(model.encode_text(ids), model.encode_text(padded), atol=1e-6)


def test_in_bf16_weights_and_features_stay_float32(model: VideoClip) -> None:
    """Defect N1 of the guide's program: weights of bf16 hardly ever moved at its rates."""
    model.train()
    mask = torch.ones(1, 4, dtype=torch.bool)
    open_gate(model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = model.encode_frames(pictures(4), dense=True, chunk=2)
        assert found.dense is not None
        frames = model.temporal_frames(found.pooled[None], mask)
        regions = model.regions(
            found.dense[None], torch.tensor([0.2, 0.2, 0.8, 0.8]).expand(1, 4, 1, 4), mask[..., None]
        )
        made = [found.pooled, found.dense, frames, model.pool(frames, mask), regions.features]
        made.append(model.encode_text(text_ids()))
        assert {value.dtype for value in made} == {torch.float32}
    sum(value.sum() for value in made).backward()  # type: ignore[union-attr]
    assert {part.dtype for part in model.parameters()} == {torch.float32}
    assert {part.grad.dtype for part in model.parameters() if part.grad is not None} == {torch.float32}
    exact = model.encode_frames(pictures(4), dense=False, chunk=4).pooled
    assert 0 < (exact - found.pooled).abs().max().item() < 0.1 * exact.abs().max().item()
