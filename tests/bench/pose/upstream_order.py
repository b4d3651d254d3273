"""The baseline: MARDM's order of work, in which every masked token is sampled in every step.

The nets are ours, which compute the same; what differs is how often and on how much they run.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from scripts.pose.nets.mardm import Mardm
from scripts.pose.sampling.schedule import masked_counts

BATCH = 8  # captions that today's scripts make at once

Field = Callable[[Tensor, Tensor], Tensor]
"""As torchdiffeq takes it: time () and x (2 N, C) to dx/dt."""
Solve = Callable[[Field, Tensor], Tensor]
"""From a field and x at time 0 to x at time 1."""


@torch.no_grad()
def generate(
    model: Mardm, text: Tensor, n_tokens: int, solve: Solve, *, time_steps: int = 18, cfg: float = 4.5
) -> Tensor:
    """Sample the latents of a batch, with noise from torch's own generator in MARDM's order.

    Args:
        model: on the device of `text`.
        text: (B, D) text vectors.
        n_tokens: L.
        solve: for both halves of the guided batch, which have the same noise, together.
        time_steps: T.
        cfg: strength of the guidance.

    Returns:
        (B, C, L).
    """
    ranks = torch.rand(len(text), n_tokens, device=text.device).argsort(dim=1).argsort(dim=1)
    latents = model.mask_latent.expand(len(text), n_tokens, -1).clone()
    for counts in masked_counts(torch.full((len(text),), n_tokens), time_steps):
        masked = ranks < counts.to(text.device)[:, None]
        latents[masked] = model.mask_latent[0]
        z = torch.cat([model.hidden(latents, text)[masked], model.hidden(latents)[masked]])
        x = torch.randn(len(z) // 2, latents.shape[2], device=text.device)
        field = _guided(model, z, cfg)
        latents[masked] = solve(field, torch.cat([x, x])).chunk(2)[0]
    return latents.transpose(1, 2)


def _guided(model: Mardm, z: Tensor, cfg: float) -> Field:
    """The guided velocity of both halves; conditions and times are embedded in each evaluation, row by row."""

    def field(t: Tensor, x: Tensor) -> Tensor:
        with_text, without = model.velocity(x, t.expand(len(x)), z).chunk(2)
        velocity = without + cfg * (with_text - without)
        return torch.cat([velocity, velocity])

    return field


def dopri5(field: Field, x: Tensor) -> Tensor:
    """Solve as MARDM does: torchdiffeq with 50 points asked for, of which the last is taken."""
    from torchdiffeq import odeint  # type: ignore[import-untyped]

    times = torch.linspace(0, 1, 50, device=x.device)
    points: Tensor = odeint(field, x, times, method="dopri5", atol=1e-6, rtol=1e-3)
    return points[-1]
