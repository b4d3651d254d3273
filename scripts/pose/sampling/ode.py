"""Solvers of the flow from noise (time 0) to data (time 1)."""

import torch
from torch import Tensor

from scripts.pose.nets.diff_mlp import Field

ABSOLUTE_TOLERANCE, RELATIVE_TOLERANCE = 1e-6, 1e-3  # MARDM's


def midpoint(field: Field, x: Tensor, n_steps: int) -> Tensor:
    """The midpoint rule in steps of one size: second order, two evaluations a step, each row for itself."""
    for t, h in _steps(n_steps):
        middle = x + h / 2 * field(x, x.new_full((), t))
        x = x + h * field(middle, x.new_full((), t + h / 2))
    return x


def rk4(field: Field, x: Tensor, n_steps: int) -> Tensor:
    """The classical Runge-Kutta rule in such steps: fourth order, four evaluations a step, each row for itself."""
    for t, h in _steps(n_steps):
        start, middle, end = (x.new_full((), time) for time in (t, t + h / 2, t + h))
        k1 = field(x, start)
        k2 = field(x + h / 2 * k1, middle)
        k3 = field(x + h / 2 * k2, middle)
        k4 = field(x + h * k3, end)
        x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return x


def _steps(n_steps: int) -> list[tuple[float, float]]:
    return [(number / n_steps, 1 / n_steps) for number in range(n_steps)]


def dopri5(field: Field, x: Tensor) -> Tensor:
    """Dormand and Prince's rule with MARDM's tolerances; all rows share its steps, so they depend on each other.

    Returns:
        (N, C); of rows that cannot be integrated, because a velocity is not finite, NaN. The others are near what they
        are alone.
    """
    from torchdiffeq import odeint  # type: ignore[import-untyped]  # which the other solvers do without

    lost = torch.zeros(len(x), 1, dtype=torch.bool, device=x.device)

    def guarded(t: Tensor, x: Tensor) -> Tensor:
        # One NaN would make the shared step size NaN, and with it every row.
        velocity = field(x, t)
        lost.logical_or_(~velocity.isfinite().all(dim=1, keepdim=True))
        return velocity.masked_fill(lost, 0)

    times = torch.tensor([0.0, 1.0], device=x.device)
    solution = odeint(guarded, x, times, atol=ABSOLUTE_TOLERANCE, rtol=RELATIVE_TOLERANCE, method="dopri5")
    end: Tensor = solution[-1]
    return end.masked_fill(lost, torch.nan)
