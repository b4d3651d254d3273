"""The training of the toy's MARDM: masked tokens, velocity matching (Meng et al. 2025; Ma et al. 2024, SiT)."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from scripts.pose.nets.autoencoder import AutoEncoder
from scripts.pose.nets.mardm import Mardm, MardmSizes
from scripts.pose.toy.crops import Crops
from scripts.pose.toy.descent import descend
from scripts.pose.toy.recipe import Recipe

HEADS = 4


def train_denoiser(
    tracks: Sequence[Tensor],
    texts: Sequence[Tensor],
    autoencoder: AutoEncoder,
    recipe: Recipe,
    random: torch.Generator,
) -> tuple[Mardm, list[float]]:
    """Train a MARDM to draw the latents of crops of the clips, given one of the clip's captions.

    Args:
        tracks: of each clip (T, F) normalised features, T at least `SHORTEST`.
        texts: of each clip (n, D) text vectors of its captions.
        autoencoder: trained; it makes the latents.
        recipe: sizes and steps.
        random: what to draw with; the first weights come from torch's own generator.

    Returns:
        The net; and the mean square error of the velocity in each step.
    """
    model = Mardm(
        MardmSizes(
            latent=recipe.latent,
            width=recipe.width,
            feed_forward=2 * recipe.width,
            layers=1,
            heads=HEADS,
            text=texts[0].shape[1],
            mlp_width=recipe.mlp_width,
            mlp_depth=recipe.mlp_depth,
        )
    )
    start_weights(model)
    crops = Crops(tracks)

    def loss() -> Tensor:
        features, clips = crops.draw(recipe.batch, random)
        with torch.no_grad():
            latents = autoencoder.encode(features).transpose(1, 2)
        captions = torch.stack([_any(texts[clip], random) for clip in clips.tolist()])
        captions += recipe.text_noise * torch.randn(captions.shape, generator=random)
        kept = torch.rand(len(captions), 1, generator=random) >= recipe.text_dropped
        return velocity_error(model, latents, captions * kept, times=recipe.times, random=random)

    return model, descend(model, loss, steps=recipe.steps, rate=recipe.rate)


def velocity_error(model: Mardm, latents: Tensor, text: Tensor, *, times: int, random: torch.Generator) -> Tensor:
    """Mask tokens, and see how well the model draws them: the loss of one batch.

    On the straight way from noise to data, x = t data + (1 - t) noise, the velocity is data - noise.

    Args:
        model: to be judged.
        latents: (B, L, C) of motions.
        text: (B, D) text vectors; zeros where the text is left out.
        times: noises and times drawn for each masked token.
        random: what to draw with.

    Returns:
        (), the mean square error over masked tokens and channels.
    """
    masked = random_mask(len(latents), latents.shape[1], random)
    z = model.hidden(torch.where(masked[..., None], model.mask_latent, latents), text)
    data, z = latents[masked].repeat(times, 1), z[masked].repeat(times, 1)
    noise = torch.randn(data.shape, generator=random)
    t = torch.rand(len(data), generator=random)
    x = t[:, None] * data + (1 - t[:, None]) * noise
    return functional.mse_loss(model.velocity(x, t, z), data - noise)


def random_mask(n_sequences: int, n_tokens: int, random: torch.Generator) -> Tensor:
    """Which tokens are hidden: of each sequence the part cos(u pi / 2), u uniform, and at least one.

    Returns:
        (B, L) bool.

    Source: MaskGIT (Chang et al. 2022), the cosine schedule.
    """
    part = torch.cos(torch.rand(n_sequences, 1, generator=random) * (math.pi / 2))
    n_masked = (part * n_tokens).round().clamp(min=1)
    order = torch.rand(n_sequences, n_tokens, generator=random).argsort(1).argsort(1)
    return order < n_masked


@torch.no_grad()
def start_weights(model: Mardm) -> None:
    """Make the first weights such that the training begins quickly.

    Every block begins as the identity and the velocity as zero (adaLN-zero, Peebles and Xie 2023). The numbers of a
    text vector of unit length are about 1 / sqrt(D), where a layer's first weights count on numbers about 1.

    Args:
        model: changed.
    """
    for name, weights in model.named_parameters():
        if ".adaLN_modulation." in name or ".final_layer.linear." in name:
            weights.zero_()
    model.cond_emb.weight.mul_(math.sqrt(model.sizes.text))


def _any(rows: Tensor, random: torch.Generator) -> Tensor:
    return rows[int(torch.randint(len(rows), (), generator=random))]
