"""From text vectors and noise to latents: MARDM's masked generation, of the tokens that survive it only.

Bytes: a caption's latents depend on its text vector and noise alone, bit for bit at every place of a batch of one
shape, on one kind of device with one set of libraries; with `dopri5`, whose steps all rows share, to its tolerance.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from scripts.pose.nets.diff_mlp import guided_field
from scripts.pose.nets.mardm import Mardm
from scripts.pose.sampling import ddpm, ode
from scripts.pose.sampling.cuda_graph import Graphed
from scripts.pose.sampling.linear_layers import Bf16Linear, OneDnnLinear, replace_linears
from scripts.pose.sampling.noise import Noise
from scripts.pose.sampling.rows import ROWS
from scripts.pose.sampling.schedule import last_steps

_FIXED_STEPS = {"midpoint": ode.midpoint, "rk4": ode.rk4}

# From start (N, C), steps (N, 50, C) or None, z of the text (N, W) and of none (N, W) or None, to tokens (N, C).
SampleTokens = Callable[[Tensor, Tensor | None, Tensor, Tensor | None], Tensor]


@dataclass(frozen=True)
class Sampling:
    """How latents are sampled.

    Attributes:
        kind: "sit" or "ddpm", as the model was trained.
        time_steps: in which the tokens are unmasked.
        cfg: how strongly the text guides; 1 is unguided.
        solver: of "sit": "midpoint", "rk4" or "dopri5".
        solver_steps: of "midpoint" and "rk4".
    """

    kind: str
    time_steps: int = 18
    cfg: float = 4.5
    solver: str = "midpoint"
    solver_steps: int = 32

    @property
    def shares_steps(self) -> bool:
        """Whether the sequences of a batch influence each other."""
        return self.kind == "sit" and self.solver == "dopri5"


def sample_tokens(
    model: Mardm,
    sampling: Sampling,
    start: Tensor,
    step_noise: Tensor | None,
    z_text: Tensor,
    z_none: Tensor | None,
) -> Tensor:
    """Sample tokens whose surroundings are known.

    Args:
        model: whose net predicts their velocity or noise.
        sampling: how.
        start: (N, C) noise.
        step_noise: (N, 50, C) for "ddpm".
        z_text: (N, W) what the transformer says of each token, given the text.
        z_none: (N, W) the same without the text; None where `cfg` is 1.

    Returns:
        (N, C).

    Raises:
        ValueError: there is no `step_noise` for "ddpm".
    """
    field = guided_field(model.denoiser, z_text, z_none, sampling.cfg)
    if sampling.kind == "ddpm":
        if step_noise is None:
            raise ValueError("a model of kind ddpm needs noise for its steps: draw it with ddpm=True")
        return ddpm.sample(field, start, step_noise)
    if sampling.solver == "dopri5":
        return ode.dopri5(field, start)
    return _FIXED_STEPS[sampling.solver](field, start, sampling.solver_steps)


@torch.inference_mode()
def generate(
    model: Mardm,
    text: Tensor,
    noise: Noise,
    sampling: Sampling,
    *,
    lengths: Tensor | None = None,
    sample: SampleTokens | None = None,
) -> Tensor:
    """Sample the latents of a batch, each token once, in the step that it survives from.

    Args:
        model: on the device of `text`.
        text: (B, D) text vectors.
        noise: of the batch, on the CPU.
        sampling: how.
        lengths: (B,) int64 tokens of each sequence, on the CPU; None: all L. Where they differ, the shapes, and with
            them the last bits, depend on which sequences go together.
        sample: `sample_tokens` of this model and sampling, or what stands for it, such as its graph.

    Returns:
        (B, C, L) float32, zero at the positions from a sequence's length on.
    """
    n_sequences, n_tokens = noise.order.shape
    sample = sample or partial(sample_tokens, model, sampling)
    if lengths is None:
        lengths, padding = torch.full((n_sequences,), n_tokens), None
    else:
        padding = (torch.arange(n_tokens) >= lengths[:, None]).to(text.device)
    last = last_steps(noise.order, lengths, sampling.time_steps)
    latents = model.mask_latent.expand(n_sequences, n_tokens, -1).clone()
    if padding is not None:
        latents[padding] = 0
    for step in range(sampling.time_steps):
        sequence, token = torch.nonzero(last == step, as_tuple=True)
        if not len(sequence):
            continue
        chosen = (sequence.to(text.device), token.to(text.device))
        z_text = model.hidden(latents, text, padding)[chosen]
        z_none = model.hidden(latents, None, padding)[chosen] if sampling.cfg != 1 else None
        start = noise.start[sequence, token].to(text.device)
        # Indices around a slice put their axis in front: (N, 50, C).
        step_noise = noise.steps[sequence, :, token].to(text.device) if noise.steps is not None else None
        latents[chosen] = sample(start, step_noise, z_text, z_none)
    return latents.transpose(1, 2)


class LatentGenerator:
    """A model on its device, which makes the latents of any number of captions in micro-batches of one shape.

    Args:
        model: float32, which this takes over: it is moved, and its denoiser's layers become those of the device.
        sampling: how.
        device: "cpu" or "cuda".
        precision: "fp32", "tf32" or "bf16": arithmetic of a GPU; the CPU takes fp32.
        rows: sequences of a micro-batch, if not `ROWS`.

    Raises:
        ValueError: `rows` is no power of two.
    """

    def __init__(
        self, model: Mardm, sampling: Sampling, *, device: str = "cpu", precision: str = "fp32", rows: int | None = None
    ) -> None:
        self.rows = rows or ROWS[device]
        if self.rows & (self.rows - 1):
            # Libraries compute the rows that are left over in another way: then the place of a row tells.
            raise ValueError(f"{self.rows} rows: a micro-batch has a power of two")
        self._device = torch.device(device)
        self._sampling = sampling
        _settle(tf32=precision == "tf32")
        self._model = model.eval().to(self._device)
        if precision == "bf16" and device == "cuda":
            replace_linears(self._model.denoiser.res_blocks, Bf16Linear)  # where nearly all of the work is
        if device == "cpu" and torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
            replace_linears(self._model.denoiser, OneDnnLinear)
        compute = partial(sample_tokens, self._model, sampling)
        self._graphed = None if sampling.shares_steps else Graphed(compute)

    def __call__(self, text: Tensor, noise: Noise) -> Tensor:
        """Make latents.

        Args:
            text: (n, D) float32, on the CPU.
            noise: of n sequences with one number of tokens.

        Returns:
            (n, C, L) float32 on the CPU; NaN or infinite where the model gave that.

        Raises:
            torch.OutOfMemoryError: a micro-batch does not fit; see `halve`.
        """
        parts = [self._micro_batch(text, noise, first) for first in range(0, len(text), self.rows)]
        return torch.cat(parts)

    def halve(self) -> None:
        """Go on with half as many rows, which may change the last bits, and give back what the GPU holds beside."""
        self.rows = max(self.rows // 2, 1)
        if self._graphed:
            self._graphed.forget()
        torch.cuda.empty_cache()

    def _micro_batch(self, text: Tensor, noise: Noise, first: int) -> Tensor:
        part = slice(first, first + self.rows)
        n = len(text[part])
        # Empty rows keep the shapes; where rows share their steps, they would tell on the others and promise nothing.
        rows = n if self._sampling.shares_steps else self.rows
        filled = Noise(
            order=_filled(noise.order[part], rows),
            start=_filled(noise.start[part], rows),
            steps=None if noise.steps is None else _filled(noise.steps[part], rows),
        )
        on_device = _filled(text[part], rows).to(self._device)
        return generate(self._model, on_device, filled, self._sampling, sample=self._graphed)[:n].cpu()


def _filled(part: Tensor, rows: int) -> Tensor:
    """(n, ...) with rows of zeros after it, (rows, ...)."""
    return torch.cat([part, part.new_zeros(rows - len(part), *part.shape[1:])])


def _settle(*, tf32: bool) -> None:
    """Make torch compute alike in every process: one thread, no rounding unasked."""
    torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
