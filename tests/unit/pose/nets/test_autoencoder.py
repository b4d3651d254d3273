import pytest
import torch

from scripts.pose.nets.autoencoder import AutoEncoder
from scripts.pose.nets.loading import load_state
from tests.unit.pose.nets.golden_nets import distance, golden, layout, weights

N_FEATURES = {"t2m": 67, "kit": 64}


@pytest.fixture(params=["t2m", "kit"])
def skeleton(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def small(skeleton: str) -> AutoEncoder:
    net = AutoEncoder(N_FEATURES[skeleton], width=48, latent=32)
    load_state(net, weights(f"ae_{skeleton}_small"), where=skeleton)
    return net


@torch.inference_mode()
@pytest.mark.parametrize("n_frames", [16, 18, 60])
def test_latents_and_features_are_those_of_mardm(skeleton: str, n_frames: int) -> None:
    wanted, net = golden(f"ae_{skeleton}_small"), small(skeleton)
    latents = net.encode(wanted[f"x_T{n_frames}"])
    assert distance(latents, wanted[f"z_T{n_frames}"]) <= 1e-5
    assert distance(net.decode(latents), wanted[f"y_T{n_frames}"]) <= 1e-5


@torch.inference_mode()
def test_latents_from_elsewhere_are_decoded_as_mardm_does(skeleton: str) -> None:
    wanted = golden(f"ae_{skeleton}_small")
    assert distance(small(skeleton).decode(wanted["z_in"]), wanted["y_from_z_in"]) <= 1e-5


@torch.inference_mode()
def test_latents_of_whole_runs_are_decoded_as_mardm_does() -> None:
    wanted = golden("pipeline")
    assert distance(small("t2m").decode(wanted["latents"]), wanted["motion_norm"]) <= 1e-5


def test_the_full_size_has_the_keys_shapes_and_parameters_of_the_checkpoints(skeleton: str) -> None:
    upstream = layout(f"ae_{skeleton}")
    with torch.device("meta"):
        net = AutoEncoder(N_FEATURES[skeleton])
    assert {key: list(value.shape) for key, value in net.state_dict().items()} == upstream["shapes"]
    assert sum(parameter.numel() for parameter in net.parameters()) == upstream["_meta"]["n_parameters"]


def test_training_reaches_every_parameter() -> None:
    torch.manual_seed(0)
    net, features = AutoEncoder(5, width=8, latent=4), torch.randn(2, 8, 5)
    net.decode(net.encode(features)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())
