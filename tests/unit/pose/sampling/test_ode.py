from typing import Any

import pytest
import torch
from torch import Tensor
from torchdiffeq import odeint

from scripts.pose.nets.diff_mlp import Field, guided_field
from scripts.pose.sampling import ode
from tests.unit.pose.nets.golden_nets import distance, golden, small_mlp

SOLVERS = {
    "midpoint": lambda field, x: ode.midpoint(field, x, 32),
    "rk4": lambda field, x: ode.rk4(field, x, 16),
    "dopri5": ode.dopri5,
}


class Counted:
    def __init__(self, field: Field) -> None:
        self.field = field
        self.times: list[float] = []

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        self.times.append(float(t))
        return self.field(x, t)


def mixture_field() -> tuple[Field, dict[str, Tensor]]:
    """The guided flow to one of four Gaussians, a row to component (row mod 4), along straight paths."""
    data = golden("ode_analytic")
    mu, s, cfg = data["mu"], float(data["s"]), float(data["cfg"])
    own = mu[torch.arange(len(data["x0"])) % len(mu)]

    def to_component(x: Tensor, t: Tensor, mean: Tensor) -> Tensor:
        return mean + (t * s**2 - (1 - t)) / ((1 - t) ** 2 + t**2 * s**2) * (x - t * mean)

    def field(x: Tensor, t: Tensor) -> Tensor:
        every = x[:, None]
        nearness = -((every - t * mu) ** 2).sum(-1) / (2 * ((1 - t) ** 2 + t**2 * s**2))
        without = (nearness.softmax(dim=1)[:, :, None] * to_component(every, t, mu)).sum(1)
        return without + cfg * (to_component(x, t, own) - without)

    return field, data


def test_dopri5_equals_the_golden_solution_of_a_known_field() -> None:
    field, data = mixture_field()
    counted = Counted(field)
    assert distance(ode.dopri5(counted, data["x0"]), data["samples"][-1]) < 1e-4
    assert len(counted.times) == int(data["nfe"])
    assert counted.times == pytest.approx(data["eval_times"].tolist(), rel=0.03)  # the first error is rounding


@pytest.mark.parametrize("solver", ["midpoint", "rk4"])
def test_64_evaluations_at_fixed_steps_are_as_exact_as_dopri5(solver: str) -> None:
    field, data = mixture_field()
    exact = ode.rk4(field, data["x0"].double(), 500)
    counted = Counted(field)
    error = distance(SOLVERS[solver](counted, data["x0"]).double(), exact)
    assert len(counted.times) == 64
    assert error < 2 * distance(ode.dopri5(field, data["x0"]).double(), exact)


def golden_field(cfg: str) -> tuple[Field, Tensor, Tensor, dict[str, Tensor]]:
    data = golden("sit_mlp_small")
    noise, z = data[f"ode_cfg{cfg}_noise"], data["z"]
    z_text, z_none = (z, None) if cfg == "1.0" else (z[:5], z[5:])
    field = guided_field(small_mlp("sit").requires_grad_(False), z_text, z_none, float(cfg))
    return field, noise, data[f"ode_cfg{cfg}_sample"][: len(noise)], data


# The first step is so small that the estimate of its error is float32 rounding, which differs between processors: with
# guidance the second step, 6 to 8 times as long, follows from that, and the samples to the solver's own error, 1.5e-3.
@pytest.mark.parametrize(("cfg", "tolerance"), [("4.5", 2e-3), ("1.0", 1e-5)])
def test_dopri5_is_as_near_the_golden_samples_of_a_net_as_rounding_lets_it(cfg: str, tolerance: float) -> None:
    field, noise, wanted, data = golden_field(cfg)
    counted = Counted(field)
    assert distance(ode.dopri5(counted, noise), wanted) < tolerance
    assert len(counted.times) == int(data[f"ode_cfg{cfg}_nfe"])


@pytest.mark.parametrize("cfg", ["4.5", "1.0"])
def test_the_golden_steps_give_the_golden_samples(cfg: str) -> None:
    field, x, wanted, data = golden_field(cfg)
    for t, length in data[f"ode_cfg{cfg}_accepted_t0_dt"].tolist():
        ends = torch.tensor([t, min(t + length, 1.0)], dtype=torch.float64)  # the last one reaches beyond 1
        tolerances = {"atol": ode.ABSOLUTE_TOLERANCE, "rtol": ode.RELATIVE_TOLERANCE}
        x = odeint(lambda t, x: field(x, t), x, ends, method="dopri5", options={"first_step": length}, **tolerances)[-1]
    assert distance(x, wanted) < 1e-5


@pytest.mark.parametrize("cfg", ["4.5", "1.0"])
def test_dopri5_is_as_exact_as_the_golden_samples(cfg: str) -> None:
    field, noise, wanted, _ = golden_field(cfg)
    exact = ode.rk4(field, noise, 200)
    assert distance(ode.dopri5(field, noise), exact) < 1.2 * distance(wanted, exact)


@pytest.mark.parametrize(("solver", "n_steps", "order"), [(ode.midpoint, 20, 2), (ode.rk4, 10, 4)])
def test_twice_the_steps_shrink_the_error_by_the_order(solver: Any, n_steps: int, order: int) -> None:
    def field(x: Tensor, t: Tensor) -> Tensor:
        return torch.sin(5 * t) - x**2

    start = torch.ones(1, 1, dtype=torch.float64)
    exact = float(ode.rk4(field, start, 500))
    coarse, fine = (abs(float(solver(field, start, n)) - exact) for n in (n_steps, 2 * n_steps))
    assert coarse / fine == pytest.approx(2**order, rel=0.25)


@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_a_row_that_is_not_finite_does_not_spoil_the_others(solver: str) -> None:
    field, data = mixture_field()

    def broken(x: Tensor, t: Tensor) -> Tensor:
        velocity = field(x, t)
        velocity[3, 2] = torch.nan if t > 0.4 else velocity[3, 2]
        return velocity

    found, wanted = SOLVERS[solver](broken, data["x0"]), SOLVERS[solver](field, data["x0"])
    others = torch.arange(len(wanted)) != 3
    assert not found[3].isfinite().all()
    assert distance(found[others], wanted[others]) < (2e-3 if solver == "dopri5" else 1e-12)
