"""MARDM (Meng et al. 2025, CVPR): a transformer says of each masked latent what it should be, a denoiser draws it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from scripts.pose.nets.diff_mlp import DiffMlp
from scripts.pose.nets.transformer import TransformerBlock, position_code
from scripts.shared.errors import ConfigError


@dataclass(frozen=True)
class MardmSizes:
    """How large the parts of a MARDM are; as they stand, those of the official XL models.

    Attributes:
        latent: C, channels of a latent.
        width: W, of a token in the transformer.
        feed_forward: of the transformer's MLP.
        layers: transformer blocks.
        heads: of the attention.
        text: D, of a text vector.
        mlp_width: of the denoiser.
        mlp_depth: its residual blocks.
    """

    latent: int = 512
    width: int = 1024
    feed_forward: int = 4096
    layers: int = 1
    heads: int = 16
    text: int = 512
    mlp_width: int = 1792
    mlp_depth: int = 16

    @classmethod
    def from_shapes(cls, shapes: Mapping[str, Sequence[int]], heads: int) -> Self:
        """Read the sizes off a state dict's shapes; the number of heads leaves no trace there.

        Raises:
            ConfigError: a key that tells a size is missing or has no such axis, or the heads do not divide the width.
        """

        def size(key: str, axis: int) -> int:
            shape = shapes.get(key, ())
            if len(shape) <= axis:
                raise ConfigError(f"these are not the weights of a MARDM: {key} is {_told(shapes, key)}")
            return shape[axis]

        def count(prefix: str) -> int:
            return len({key.removeprefix(prefix).split(".")[0] for key in shapes if key.startswith(prefix)})

        width = size("cond_emb.weight", 0)
        if width % heads:
            raise ConfigError(f"{heads} heads do not divide the transformer's width {width}")
        return cls(
            latent=size("mask_latent", 2),
            width=width,
            feed_forward=size("MARTransformer.0.mlp.fc1.weight", 0),
            layers=count("MARTransformer."),
            heads=heads,
            text=size("cond_emb.weight", 1),
            mlp_width=size("DiffMLPs.net.cond_embed.weight", 0),
            mlp_depth=count("DiffMLPs.net.res_blocks."),
        )


class _DiffMlps(nn.Module):
    """Holds the denoiser under the name that it has in the checkpoints."""

    def __init__(self, sizes: MardmSizes) -> None:
        super().__init__()
        self.net = DiffMlp(sizes.latent, sizes.width, width=sizes.mlp_width, depth=sizes.mlp_depth)


class Mardm(nn.Module):
    """The whole net without CLIP; keys of the state dict are those of the checkpoints (`ema_mardm`).

    The buffer `position_enc.pe`, which the checkpoints hold too, is computed and no part of the state dict. There is
    no dropout, in training neither.
    """

    def __init__(self, sizes: MardmSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.mask_latent = nn.Parameter(torch.zeros(1, 1, sizes.latent))
        self.input_process = nn.ModuleDict({"poseEmbedding": nn.Linear(sizes.latent, sizes.width)})
        self.MARTransformer = nn.ModuleList(
            TransformerBlock(sizes.width, sizes.feed_forward, sizes.heads) for _ in range(sizes.layers)
        )
        self.cond_emb = nn.Linear(sizes.text, sizes.width)
        self.DiffMLPs = _DiffMlps(sizes)

    @property
    def denoiser(self) -> DiffMlp:
        """The part that draws the latents."""
        return self.DiffMLPs.net

    def hidden(self, latents: Tensor, text: Tensor | None = None, padding: Tensor | None = None) -> Tensor:
        """Say of each token what it should be.

        Args:
            latents: (B, L, C); `mask_latent` where a token is masked.
            text: (B, D) text vectors; None for the pass without text, which a vector of zeros gives too.
            padding: (B, L) bool, True where a sequence has ended; None where all have L tokens. Each sequence has at
                least one.

        Returns:
            z (B, L, W); of padding it means nothing.
        """
        x: Tensor = self.input_process["poseEmbedding"](latents)
        x = x + position_code(x.shape[1], x.shape[2], x.device)
        condition = self.cond_emb.bias[None] if text is None else self.cond_emb(text)
        seen = None if padding is None else ~padding[:, None, None, :]
        for block in self.MARTransformer:
            x = block(x, condition[:, None], seen)
        return x

    def velocity(self, x: Tensor, t: Tensor, z: Tensor) -> Tensor:
        """Velocity (SiT) or noise (DDPM), (N, C), of latents x (N, C) at times t, () or (N,), given z (N, W)."""
        v: Tensor = self.denoiser(x, t, z)
        return v


def _told(shapes: Mapping[str, Sequence[int]], key: str) -> str:
    return f"of shape {tuple(shapes[key])}" if key in shapes else "missing"
