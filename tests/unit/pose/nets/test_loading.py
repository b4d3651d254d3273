import pytest
import torch

from scripts.pose.nets.autoencoder import AutoEncoder
from scripts.pose.nets.loading import load_state
from scripts.pose.nets.mardm import Mardm
from scripts.shared.errors import ConfigError
from tests.unit.pose.nets.golden_nets import SMALL, weights

FIRST = "encoder.model.0.weight"


def small() -> AutoEncoder:
    return AutoEncoder(67, width=48, latent=32)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda state: state.pop(FIRST), rf"^latest\.tar: key '{FIRST}' is missing; these are not"),
        (lambda state: state.update(more=torch.zeros(1)), r"^latest\.tar: key 'more' is unexpected;"),
        (lambda state: state.update(clip_models=torch.zeros(1)), "'clip_models' is unexpected"),
        (
            lambda state: state.update({FIRST: torch.zeros(48, 64, 3)}),
            rf"^latest\.tar: {FIRST} has the shape \(48, 64, 3\); expected was \(48, 67, 3\)$",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named_and_nothing_is_loaded(change, told: str) -> None:
    state, net = weights("ae_t2m_small"), small()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    change(state)
    with pytest.raises(ConfigError, match=told):
        load_state(net, state, where="latest.tar")
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


def test_weights_of_another_net_say_how_many_keys_are_missing() -> None:
    with pytest.raises(ConfigError, match=rf"'{FIRST}' is missing \(and 65 more\)"):
        load_state(small(), weights("length_estimator"), where="finest.tar")


def test_the_position_code_and_clip_are_left_out() -> None:
    model, state = Mardm(SMALL), weights("mardm_sit_small")
    load_state(
        model,
        state | {"position_enc.pe": torch.zeros(5000, 1, 48), "clip_model.ln_final.weight": torch.zeros(8)},
        where="latest.tar",
    )
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


def test_a_net_shares_no_memory_with_the_weights_it_was_given() -> None:
    net, state = small(), weights("ae_t2m_small")
    load_state(net, state, where="latest.tar")
    with torch.no_grad():
        net.get_parameter(FIRST).zero_()
    assert state[FIRST].abs().max() > 0


def test_a_net_on_the_meta_device_takes_the_tensors_themselves() -> None:
    state = weights("ae_t2m_small")
    with torch.device("meta"):
        net = small()
    load_state(net, state, where="model.safetensors")
    assert net.get_parameter(FIRST).data_ptr() == state[FIRST].data_ptr()
    assert net.encode(torch.zeros(1, 16, 67)).shape == (1, 32, 4)
