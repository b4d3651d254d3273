"""The training of the toy's autoencoder."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from scripts.pose.nets.autoencoder import AutoEncoder
from scripts.pose.skeleton import FRAMES_PER_TOKEN
from scripts.pose.toy.crops import Crops
from scripts.pose.toy.descent import descend
from scripts.pose.toy.recipe import Recipe


def train_autoencoder(
    tracks: Sequence[Tensor], recipe: Recipe, random: torch.Generator
) -> tuple[AutoEncoder, list[float]]:
    """Train an autoencoder to give back crops of the clips.

    Args:
        tracks: of each clip (T, F) normalised features, T at least `SHORTEST`.
        recipe: sizes and steps.
        random: what to draw the crops with; the first weights come from torch's own generator.

    Returns:
        The autoencoder, whose latents have a mean square of 1 in each channel; and the smooth L1 loss of each step.
    """
    autoencoder = AutoEncoder(tracks[0].shape[1], width=recipe.ae_width, latent=recipe.latent)
    crops = Crops(tracks)

    def loss() -> Tensor:
        features, _ = crops.draw(recipe.ae_batch, random)
        return functional.smooth_l1_loss(autoencoder.decode(autoencoder.encode(features)), features)

    losses = descend(autoencoder, loss, steps=recipe.ae_steps, rate=recipe.ae_rate)
    scale_latents(autoencoder, tracks)
    return autoencoder, losses


@torch.no_grad()
def scale_latents(autoencoder: AutoEncoder, tracks: Sequence[Tensor]) -> None:
    """Change the units of the latents, and nothing of what an encoded motion is decoded to.

    The denoiser starts from noise of variance 1 and needs latents that are about as large. The scale goes into the
    two convolutions beside the latents, so that the model needs no further numbers.

    Args:
        autoencoder: changed.
        tracks: of each clip (T, F) normalised features, over which each channel's mean square becomes 1.
    """
    latents = torch.cat([autoencoder.encode(_whole_tokens(track)[None])[0] for track in tracks], dim=1)
    size = latents.square().mean(dim=1).sqrt()
    weights = dict(autoencoder.named_parameters())
    weights["encoder.model.4.weight"].div_(size[:, None, None])
    weights["encoder.model.4.bias"].div_(size)
    weights["decoder.model.0.weight"].mul_(size[:, None])


def _whole_tokens(track: Tensor) -> Tensor:
    return track[: len(track) // FRAMES_PER_TOKEN * FRAMES_PER_TOKEN]
