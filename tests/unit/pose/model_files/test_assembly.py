import json
import re

import pytest
import torch

from scripts.pose.model_files.assembly import Part, make_autoencoder, make_length_estimator, make_mardm
from scripts.pose.nets.mardm import MardmSizes
from scripts.shared.errors import ConfigError
from tests.pose_models import GOLDEN, SMALL_HEADS, State, small_ae_weights, small_estimator_weights, small_mardm_weights


def official(name: str) -> Part:
    """The official weights' keys and shapes, on a device that holds no values."""
    shapes = json.loads((GOLDEN / f"key_shapes_{name}.json").read_text())["shapes"]
    return Part({key: torch.empty(shape, device="meta") for key, shape in shapes.items()}, f"official {name}")


def count(net: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def test_the_official_shapes_make_the_official_nets() -> None:
    ae = official("ae_t2m")
    for kind in ("sit", "ddpm"):
        mardm = make_mardm(official(f"mardm_{kind}_xl"), 16, ae)
        assert mardm.sizes == MardmSizes()
        assert count(mardm) == 290_816_512
    assert count(make_autoencoder(ae, "t2m")) == 18_834_499
    assert count(make_autoencoder(official("ae_kit"), "kit")) == 18_825_280
    assert count(make_length_estimator(official("length_estimator"), 512)) == 435_122


def ae_of(state: State) -> Part:
    return Part(state, "AE/latest.tar: ['ae']")


def mardm_of(state: State) -> Part:
    return Part(state, "latest.tar: ['ema_mardm']")


def test_the_autoencoder_of_another_skeleton_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"AE/latest.*takes 64 features a frame, those of skeleton kit; skeleton t2m"):
        make_autoencoder(ae_of(small_ae_weights("kit")), "t2m")


def test_an_autoencoder_of_other_latents_is_refused() -> None:
    message = "works on latents of 32 channels, but official ae_t2m makes 512"
    with pytest.raises(ConfigError, match=message):
        make_mardm(mardm_of(small_mardm_weights()), SMALL_HEADS, official("ae_t2m"))


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"latest.tar: \['ema_mardm'\]: 5 heads do not divide"):
        make_mardm(mardm_of(small_mardm_weights()), 5, ae_of(small_ae_weights("t2m")))


def test_a_length_estimator_for_other_text_vectors_is_refused() -> None:
    with pytest.raises(ConfigError, match="takes text vectors of 40 numbers, but the model's have 512"):
        make_length_estimator(Part(small_estimator_weights(), "finest.tar"), 512)


@pytest.mark.parametrize("key", sorted(small_mardm_weights())[::7])
def test_a_missing_key_is_named(key: str) -> None:
    state = small_mardm_weights()
    del state[key]
    with pytest.raises(ConfigError, match=rf"latest.tar.*{re.escape(key)}.*missing"):
        make_mardm(mardm_of(state), SMALL_HEADS, ae_of(small_ae_weights("t2m")))


@pytest.mark.parametrize("key", ["encoder.model.0.weight", "encoder.model.4.weight", "decoder.model.2.2.bias"])
def test_a_missing_key_of_the_autoencoder_is_named(key: str) -> None:
    state = small_ae_weights("t2m")
    del state[key]
    with pytest.raises(ConfigError, match=rf"latest.tar.*{re.escape(key)}.*missing"):
        make_autoencoder(ae_of(state), "t2m")


def test_an_unexpected_key_is_named() -> None:
    state = small_ae_weights("t2m") | {"quantizer.codebook": torch.ones(3)}
    with pytest.raises(ConfigError, match=r"'quantizer\.codebook' is unexpected"):
        make_autoencoder(ae_of(state), "t2m")


@pytest.mark.parametrize("key", ["encoder.model.0.weight", "decoder.model.3.2.weight"])
def test_a_wrong_shape_is_told_with_the_one_expected(key: str) -> None:
    state = small_ae_weights("t2m")
    state[key] = state[key][..., :1]
    with pytest.raises(
        ConfigError, match=rf"{re.escape(key)} has the shape \(48, \d+, 1\); expected was \(48, \d+, 3\)"
    ):
        make_autoencoder(ae_of(state), "t2m")


def test_a_tensor_with_too_few_axes_is_refused() -> None:
    for key in ("encoder.model.0.weight", "encoder.model.4.weight"):
        with pytest.raises(ConfigError, match=re.escape(f"{key} has the shape ()")):
            make_autoencoder(ae_of(small_ae_weights("t2m") | {key: torch.tensor(1.0)}), "t2m")


def test_the_nets_share_the_memory_of_the_weights() -> None:
    state = small_mardm_weights()
    net = make_mardm(mardm_of(state), SMALL_HEADS, ae_of(small_ae_weights("t2m")))
    assert net.cond_emb.weight.data_ptr() == state["cond_emb.weight"].data_ptr()
    assert not net.cond_emb.weight.requires_grad
