import pytest
import torch

from scripts.pose.nets.diff_mlp import guided_field, time_code
from tests.unit.pose.nets.golden_nets import distance, golden, small_mlp


@torch.inference_mode()
def test_times_are_embedded_as_mardm_does() -> None:
    wanted = golden("sit_mlp_small")
    code = time_code(wanted["t"])
    assert distance(code, wanted["t_freq"]) <= 1e-5
    assert distance(small_mlp("sit").time_embed(code), wanted["t_emb"]) <= 1e-5


@torch.inference_mode()
@pytest.mark.parametrize(("kind", "result"), [("sit", "velocity"), ("ddpm", "eps")])
def test_velocity_and_noise_are_those_of_mardm(kind: str, result: str) -> None:
    wanted = golden(f"{kind}_mlp_small")
    assert distance(small_mlp(kind)(wanted["x"], wanted["t"], wanted["z"]), wanted[result]) <= 1e-5


@torch.inference_mode()
def test_guidance_is_that_of_mardm() -> None:
    given, net = golden("sit_mlp_small"), small_mlp("sit")
    # MARDM guides a batch of two halves and looks at the first half of x alone; here each half has times of its own.
    x, z_text, z_none = given["x"][:5], given["z"][:5], given["z"][5:]
    t_text, t_none = given["t"].chunk(2)
    wanted = given["velocity_cfg"]
    by_hand = net(x, t_none, z_none)
    by_hand = by_hand + 4.5 * (net(x, t_text, z_text) - by_hand)
    assert distance(by_hand.repeat(2, 1), wanted) <= 1e-5
    for t in (t_text, t_text[:1], t_text[0]):
        without = net(x, t, z_none)
        guided = without + 4.5 * (net(x, t, z_text) - without)
        assert distance(guided_field(net, z_text, z_none, 4.5)(x, t), guided) <= 1e-5


@torch.inference_mode()
def test_guidance_of_strength_one_asks_for_the_text_alone() -> None:
    given, net = golden("sit_mlp_small"), small_mlp("sit")
    x, t, z = given["x"], given["t"], given["z"]
    assert torch.equal(guided_field(net, z, None, 1)(x, t), net(x, t, z))
    with pytest.raises(ValueError, match=r"strength 2\.5 needs z_none"):
        guided_field(net, z, None, 2.5)


@torch.inference_mode()
def test_guidance_runs_the_net_once_and_embeds_the_condition_once_a_solve() -> None:
    given, net = golden("sit_mlp_small"), small_mlp("sit")
    rows: dict[str, list[int]] = {"cond_embed": [], "input_proj": [], "time_embed": []}
    for name, calls in rows.items():
        net.get_submodule(name).register_forward_hook(lambda _m, given, _o, calls=calls: calls.append(len(given[0])))
    field = guided_field(net, given["z"][:5], given["z"][5:], 3.0)
    for t in (0.0, 0.5, 1.0):
        field(given["x"][:5], torch.tensor(t))
    assert rows == {"cond_embed": [10], "input_proj": [10, 10, 10], "time_embed": [1, 1, 1]}


@torch.inference_mode()
def test_a_time_for_all_rows_is_that_time_for_each() -> None:
    given, net = golden("sit_mlp_small"), small_mlp("sit")
    x, z = given["x"], given["z"]
    assert distance(net(x, torch.tensor(0.3), z), net(x, torch.full((10,), 0.3), z)) <= 1e-6


@torch.inference_mode()
def test_a_row_gives_the_same_bits_at_any_place_in_any_company() -> None:
    torch.manual_seed(1)
    net, t = small_mlp("sit"), torch.tensor(0.7)
    x, z = torch.randn(64, 16), torch.randn(64, 24)
    alone = net(x, t, z)
    for shift in (1, 17, 63):
        assert torch.equal(net(x.roll(shift, 0), t, z.roll(shift, 0)), alone.roll(shift, 0))
    others, z_others = torch.randn(64, 16), torch.randn(64, 24)
    others[40], z_others[40], others[3] = x[5], z[5], float("nan")
    assert torch.equal(net(others, t, z_others)[40], alone[5])


@torch.inference_mode()
def test_nothing_given_is_changed() -> None:
    given, net = golden("sit_mlp_small"), small_mlp("sit")
    before = {key: value.clone() for key, value in given.items()}
    guided_field(net, given["z"][:5], given["z"][5:], 3.0)(given["x"][:5], given["t"][:5])
    assert all(torch.equal(given[key], before[key]) for key in ("x", "z", "t"))
