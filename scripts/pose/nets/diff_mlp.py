"""MARDM's denoiser: an MLP that works on each token by itself (after Li et al. 2024, arXiv:2406.11838).

With SiT it gives the velocity, with DDPM the noise; nets and keys of the two are the same.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from scripts.pose.nets.transformer import EPS, modulate, plain_norm

_N_FREQUENCIES = 128
_LONGEST_PERIOD = 10_000

Field = Callable[[Tensor, Tensor], Tensor]
"""What a solver integrates: x (N, C) and t () or (N,) to dx/dt (N, C)."""


class _TimeEmbedding(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(2 * _N_FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, code: Tensor) -> Tensor:
        y: Tensor = self.mlp(code)
        return y


class _ResidualBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.in_ln = nn.LayerNorm(width, eps=EPS)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.adaLN_modulation = _modulation(width, 3)

    def forward(self, h: Tensor, condition: Tensor) -> Tensor:
        shift, scale, gate = self.adaLN_modulation[1](condition).chunk(3, dim=-1)
        y: Tensor = h + gate * self.mlp(modulate(self.in_ln(h), shift, scale))
        return y


class _FinalLayer(nn.Module):
    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, channels)
        self.adaLN_modulation = _modulation(width, 2)

    def forward(self, h: Tensor, condition: Tensor) -> Tensor:
        shift, scale = self.adaLN_modulation[1](condition).chunk(2, dim=-1)
        y: Tensor = self.linear(modulate(plain_norm(h), shift, scale))
        return y


class DiffMlp(nn.Module):
    """The denoiser; its keys are those of MARDM's checkpoints below `DiffMLPs.net.`.

    No row of a batch has any part in another's result.

    Args:
        channels: C, of a latent.
        z: width of what the transformer says of a token.
        width: of the hidden layers.
        depth: residual blocks.
    """

    def __init__(self, channels: int, z: int, *, width: int = 1792, depth: int = 16) -> None:
        super().__init__()
        self.time_embed = _TimeEmbedding(width)
        self.cond_embed = nn.Linear(z, width)
        self.input_proj = nn.Linear(channels, width)
        self.res_blocks = nn.ModuleList(_ResidualBlock(width) for _ in range(depth))
        self.final_layer = _FinalLayer(width, channels)

    def forward(self, x: Tensor, t: Tensor, z: Tensor) -> Tensor:
        """Velocity or noise (N, C) of the latents x (N, C) at the times t, given z (N, Z) of the transformer.

        Args:
            x: latents on their way from noise.
            t: (), the same for all rows and embedded once, or (N,). SiT: 0 noise to 1 data; DDPM: step 0 to 49.
            z: of each row.
        """
        return self.conditioned(x, t, self.cond_embed(z))

    def conditioned(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """As `forward`, given `cond_embed(z)` (N, width), which stays the same over a whole solve."""
        # Every adaptive norm begins with the same SiLU of the same sum.
        time = self.time_embed(time_code(t.reshape(-1)))
        y = nn.functional.silu(time + condition)
        h = self.input_proj(x)
        for block in self.res_blocks:
            h = block(h, y)
        out: Tensor = self.final_layer(h, y)
        return out


def guided_field(net: DiffMlp, z_text: Tensor, z_none: Tensor | None, cfg: float) -> Field:
    """What moves latents under classifier-free guidance (Ho and Salimans 2022, arXiv:2207.12598): u + cfg (c - u).

    The conditions are embedded here, once; each call of the field runs the net once, over both halves together.

    Args:
        net: the denoiser.
        z_text: (N, Z), with the text.
        z_none: (N, Z), without it; not looked at when cfg is 1.
        cfg: strength of the guidance; 1 is none, and then the half without text is not computed.

    Returns:
        Function of x (N, C) and t, () or (N,), to (N, C).

    Raises:
        ValueError: cfg is not 1 and there is no `z_none`.
    """
    if cfg == 1:
        condition = net.cond_embed(z_text)
        return lambda x, t: net.conditioned(x, t, condition)
    if z_none is None:
        raise ValueError(f"guidance of strength {cfg} needs z_none, what the transformer says without the text")
    both = net.cond_embed(torch.cat([z_text, z_none]))

    def field(x: Tensor, t: Tensor) -> Tensor:
        times = t if t.numel() == 1 else torch.cat([t, t])
        with_text, without = net.conditioned(torch.cat([x, x]), times, both).chunk(2)
        return without + cfg * (with_text - without)

    return field


def time_code(t: Tensor) -> Tensor:
    """Times (N,), not scaled, to (N, 256) float32: first the cosines, then the sines."""
    rates = torch.exp(torch.arange(_N_FREQUENCIES, device=t.device) * (-math.log(_LONGEST_PERIOD) / _N_FREQUENCIES))
    angles = t[:, None].float() * rates
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def _modulation(width: int, n_parts: int) -> nn.Sequential:
    # The SiLU stands here for the keys; it is taken once for all blocks.
    return nn.Sequential(nn.SiLU(), nn.Linear(width, n_parts * width))
