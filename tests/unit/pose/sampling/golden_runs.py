"""The golden runs of MARDM's whole generation, and the sampler that does all of the work, as the reference has it."""

from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from scripts.pose.nets.mardm import Mardm
from scripts.pose.sampling.ddpm import N_STEPS
from scripts.pose.sampling.generation import Sampling, sample_tokens
from scripts.pose.sampling.noise import Noise
from scripts.pose.sampling.schedule import last_steps, masked_counts
from tests.unit.pose.nets.golden_nets import golden

RUNS = ("A", "B", "C")


@dataclass(frozen=True)
class Run:
    """One run: what went in, which tokens each step masked, and what came out.

    Attributes:
        order: (B, L), the first draw.
        start: (rows of the step, C) of each step.
        step_noise: (rows of the step, 50, C) of each step; empty for SiT.
    """

    text: Tensor
    lengths: Tensor
    sampling: Sampling
    order: Tensor
    start: list[Tensor]
    step_noise: list[Tensor]
    masked: Tensor
    latents: Tensor

    def with_solver(self, solver: str, steps: int = 4) -> "Run":
        return replace(self, sampling=replace(self.sampling, solver=solver, solver_steps=steps))

    def surviving_noise(self) -> Noise:
        """Of each token the noise that it got in the last step in which it was masked."""
        last = last_steps(self.order, self.lengths, self.sampling.time_steps)
        start = torch.zeros(*self.order.shape, self.start[0].shape[1])
        steps = torch.zeros(len(start), N_STEPS, *start.shape[1:]) if self.step_noise else None
        for step in range(self.sampling.time_steps):
            for row, (sequence, token) in enumerate(torch.nonzero(last >= step).tolist()):
                if last[sequence, token] == step:
                    start[sequence, token] = self.start[step][row]
                    if steps is not None:
                        steps[sequence, :, token] = self.step_noise[step][row]
        return Noise(order=self.order, start=start, steps=steps)


def golden_run(kind: str, name: str) -> Run:
    data = golden(f"mardm_{kind}_small")
    text, lengths, order = (data[f"{name}_{what}"] for what in ("cond", "lens", "rand"))
    sampling = Sampling(kind, int(data[f"{name}_timesteps"]), float(data[f"{name}_cfg"]), solver="dopri5")
    torch.manual_seed(3407)
    assert torch.equal(torch.rand(order.shape), order)
    start, step_noise = [], []
    for n_rows in masked_counts(lengths, sampling.time_steps).sum(dim=1).tolist():
        start.append(torch.randn(n_rows, 32))
        if kind == "ddpm":  # drawn for both halves of the guided batch; the second half's is not used
            drawn = torch.stack([torch.randn(2 * n_rows, 32) for _ in range(N_STEPS)], dim=1)
            step_noise.append(drawn[:n_rows])
    masked, latents = data[f"{name}_is_mask"], data[f"{name}_out"]
    return Run(text, lengths, sampling, order, start, step_noise, masked, latents)


def golden_batch() -> Run:
    """The eight sequences of the whole pipeline."""
    data = golden("pipeline")
    start = [data[f"noise_{step:02d}"] for step in range(18)]
    sampling = Sampling("sit", 18, 4.5, solver="dopri5")
    return Run(data["cond"], data["lens"], sampling, data["rand"], start, [], torch.empty(0), data["latents"])


@torch.no_grad()
def unpruned(model: Mardm, run: Run) -> tuple[Tensor, Tensor]:
    """Sample all tokens that are masked, in every step; the next one masks most of them again.

    Returns:
        Latents (B, C, L), and which tokens each step masked (T, B, L).
    """
    place = torch.arange(run.order.shape[1])
    padding = place >= run.lengths[:, None]
    latents = model.mask_latent.expand(*run.order.shape, -1).masked_fill(padding[:, :, None], 0)
    order = run.order.masked_fill(padding, 1e5)
    history = []
    sample = partial(sample_tokens, model, run.sampling)
    for step, counts in enumerate(masked_counts(run.lengths, run.sampling.time_steps)):
        masked = order.argsort(dim=1).argsort(dim=1) < counts[:, None]
        latents = torch.where(masked[:, :, None], model.mask_latent, latents)
        z_text, z_none = model.hidden(latents, run.text, padding), model.hidden(latents, None, padding)
        added = run.step_noise[step] if run.step_noise else None
        latents[masked] = sample(run.start[step], added, z_text[masked], z_none[masked])
        order = order.masked_fill(~masked, 1e5)
        history.append(masked)
    return latents.masked_fill(padding[:, :, None], 0).transpose(1, 2), torch.stack(history)
