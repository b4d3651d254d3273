from dataclasses import replace

import pytest
import torch

from scripts.pose.nets.diff_mlp import guided_field
from scripts.pose.nets.loading import load_state
from scripts.pose.nets.mardm import Mardm, MardmSizes
from scripts.shared.errors import ConfigError
from tests.unit.pose.nets.golden_nets import SMALL, distance, golden, layout, small_mardm, weights


@torch.inference_mode()
@pytest.mark.parametrize("kind", ["sit", "ddpm"])
def test_the_transformer_gives_what_mardms_gives(kind: str) -> None:
    given, model = golden(f"mardm_{kind}_small"), small_mardm()
    latents, text, padding = given["fwd_latents"], given["fwd_cond"], given["fwd_padding_mask"]
    with_text = model.hidden(latents, text, padding)
    assert distance(with_text, given["fwd_out"]) <= 1e-5
    assert distance(with_text, given["fwd_out_reorder"]) <= 1e-5  # the order of attention's tokens does not matter
    for nothing in (None, torch.zeros_like(text)):
        assert distance(model.hidden(latents, nothing, padding), given["fwd_out_uncond"]) <= 1e-5


@torch.inference_mode()
def test_two_layers_give_what_mardms_give() -> None:
    given, model = golden("mardm_sit_2layer"), Mardm(replace(SMALL, layers=2))
    denoiser = {key: value for key, value in model.state_dict().items() if key.startswith("DiffMLPs.")}
    load_state(model, weights("mardm_sit_2layer") | denoiser, where="mardm_sit_2layer")
    found = model.hidden(given["latents"], given["cond"], given["padding_mask"])
    assert distance(found, given["out"]) <= 1e-5


@torch.inference_mode()
def test_what_stands_in_padding_does_not_matter_to_the_tokens() -> None:
    given, model = golden("mardm_sit_small"), small_mardm()
    latents, text, padding = given["fwd_latents"], given["fwd_cond"], given["fwd_padding_mask"]
    other = torch.where(padding[..., None], 7.0, latents)
    found, again = (model.hidden(x, text, padding)[~padding] for x in (latents, other))
    assert torch.equal(found, again)
    for i, length in enumerate(given["fwd_lens"].tolist()):
        alone = model.hidden(latents[i : i + 1, :length], text[i : i + 1])
        assert distance(alone, given["fwd_out"][i : i + 1, :length]) <= 1e-5


@torch.inference_mode()
@pytest.mark.parametrize("text", [torch.randn(16, 40, generator=torch.Generator().manual_seed(2)), None])
def test_a_sequence_gives_the_same_bits_at_any_place_in_any_company(text: torch.Tensor | None) -> None:
    torch.manual_seed(1)
    model, latents = small_mardm(), torch.randn(16, 4, 32)
    alone = model.hidden(latents, text)
    order = torch.randperm(16)
    assert torch.equal(model.hidden(latents[order], None if text is None else text[order]), alone[order])
    others = torch.randn(16, 4, 32)
    others[9], others[0] = latents[9], float("inf")
    assert torch.equal(model.hidden(others, text)[9], alone[9])


@torch.inference_mode()
def test_guided_is_the_guided_velocity() -> None:
    torch.manual_seed(0)
    model, x, t = small_mardm(), torch.randn(3, 32), torch.rand(3)
    z_text, z_none = torch.randn(2, 3, 48)
    with_text, without = (model.velocity(x, t, z) for z in (z_text, z_none))
    guided = guided_field(model.denoiser, z_text, z_none, 4.5)(x, t)
    assert distance(guided, without + 4.5 * (with_text - without)) <= 1e-5
    assert torch.equal(guided_field(model.denoiser, z_text, None, 1)(x, t), with_text)


@pytest.mark.parametrize("kind", ["sit", "ddpm"])
def test_the_full_size_has_the_keys_shapes_and_parameters_of_the_checkpoints(kind: str) -> None:
    upstream = layout(f"mardm_{kind}_xl")
    assert MardmSizes.from_shapes(upstream["shapes"], heads=16) == MardmSizes()
    with torch.device("meta"):
        model = Mardm(MardmSizes())
    ours = {key: list(value.shape) for key, value in model.state_dict().items()}
    assert ours | {"position_enc.pe": [5000, 1, 1024]} == upstream["shapes"]
    assert sum(parameter.numel() for parameter in model.parameters()) == upstream["_meta"]["n_parameters"]


@torch.inference_mode()
def test_nothing_waits_for_a_value_so_that_a_cuda_graph_can_hold_it() -> None:
    model, latents, text, t = small_mardm(), torch.randn(3, 4, 32), torch.randn(3, 40), torch.tensor(0.5)
    with torch.autograd.profiler.profile() as profile:
        z_text, z_none = (model.hidden(latents, given).flatten(0, 1) for given in (text, None))
        guided_field(model.denoiser, z_text, z_none, 4.5)(latents.flatten(0, 1), t)
    operations = {event.name.removeprefix("aten::") for event in profile.function_events}
    assert {"linear", "layer_norm", "cos", "silu", "scaled_dot_product_attention"} <= operations
    assert not operations & {"item", "_local_scalar_dense", "nonzero", "index", "masked_select", "lift_fresh"}


def test_sizes_are_read_off_the_shapes() -> None:
    shapes = {key: tuple(value.shape) for key, value in weights("mardm_sit_small").items()}
    assert MardmSizes.from_shapes(shapes, heads=4) == SMALL
    two = shapes | {key: tuple(value.shape) for key, value in weights("mardm_sit_2layer").items()}
    assert MardmSizes.from_shapes(two, heads=4) == replace(SMALL, layers=2)


def test_shapes_that_tell_no_sizes_are_named() -> None:
    shapes = {key: tuple(value.shape) for key, value in weights("mardm_sit_small").items()}
    with pytest.raises(ConfigError, match="not the weights of a MARDM: mask_latent is missing"):
        MardmSizes.from_shapes({key: shape for key, shape in shapes.items() if key != "mask_latent"}, heads=4)
    with pytest.raises(ConfigError, match=r"mask_latent is of shape \(32,\)"):
        MardmSizes.from_shapes({**shapes, "mask_latent": (32,)}, heads=4)
    with pytest.raises(ConfigError, match="5 heads do not divide the transformer's width 48"):
        MardmSizes.from_shapes(shapes, heads=5)


def test_training_reaches_every_parameter_and_drops_nothing_out() -> None:
    torch.manual_seed(0)
    model = small_mardm().train()
    latents, text = torch.randn(2, 5, 32), torch.randn(2, 40)
    masked = torch.where(torch.rand(2, 5, 1) < 0.5, model.mask_latent, latents)
    z = model.hidden(masked, text)
    assert torch.equal(z, model.hidden(masked, text))
    assert torch.equal(z, model.eval().hidden(masked, text))
    x, t = torch.randn(10, 32), torch.rand(10)
    model.velocity(x, t, z.flatten(0, 1)).square().mean().backward()
    # A bias of the keys adds the same to all that a query sees, so that no result depends on it.
    idle = {name for name, p in model.named_parameters() if p.grad is None or p.grad.abs().max() < 1e-6}
    assert idle == {"MARTransformer.0.attn.key.bias"}
