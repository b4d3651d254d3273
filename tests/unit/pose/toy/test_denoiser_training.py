import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from scripts.pose.nets.autoencoder import AutoEncoder
from scripts.pose.nets.mardm import Mardm, MardmSizes
from scripts.pose.toy.autoencoder_training import scale_latents
from scripts.pose.toy.denoiser_training import random_mask, start_weights, train_denoiser, velocity_error
from tests.unit.pose.toy.demo import FEW_STEPS

_SIZES = MardmSizes(latent=4, width=16, feed_forward=32, layers=1, heads=4, text=8, mlp_width=16, mlp_depth=1)


def test_training_learns_which_motion_a_text_belongs_to() -> None:
    """Two clips that stand still in two poses: told which, the velocity is known but for the noise."""
    torch.manual_seed(0)
    tracks = [pose.expand(16, -1) for pose in 3 * torch.randn(2, 67)]
    texts = list(torch.eye(8)[:2, None])
    autoencoder = AutoEncoder(67, width=8, latent=4)
    scale_latents(autoencoder, tracks)
    recipe = replace(FEW_STEPS, steps=300, rate=1e-2)

    def last_loss(texts: list[torch.Tensor]) -> float:
        _, losses = train_denoiser(tracks, texts, autoencoder, recipe, torch.Generator().manual_seed(0))
        assert np.mean(losses[-50:]) < 0.7 * np.mean(losses[:10])
        return float(np.mean(losses[-50:]))

    assert last_loss(texts) < 0.7 * last_loss([texts[0], texts[0]])


def test_before_training_the_velocity_is_nought_and_its_error_that_of_data_minus_noise() -> None:
    model = Mardm(_SIZES)
    start_weights(model)
    latents = 2 * torch.randn(500, 4, 4, generator=torch.Generator().manual_seed(1))
    error = velocity_error(model, latents, torch.ones(500, 8), times=8, random=torch.Generator().manual_seed(2))
    assert error.item() == pytest.approx(2**2 + 1, rel=0.05)


def test_the_model_sees_masked_tokens_only_through_the_noise() -> None:
    model = Mardm(_SIZES)
    latents = torch.full((3, 4, 4), torch.nan)
    masked = random_mask(3, 4, torch.Generator().manual_seed(3))
    z = model.hidden(torch.where(masked[..., None], model.mask_latent, latents), torch.ones(3, 8))
    assert z.isnan().flatten(1).any(1).tolist() == (~masked).any(1).tolist()


def test_the_part_that_is_masked_is_the_cosine_of_a_uniform_number() -> None:
    masked = random_mask(20_000, 40, torch.Generator().manual_seed(4))
    n = masked.sum(1)
    assert n.min() == 1
    assert n.max() == 40
    assert n.float().mean() / 40 == pytest.approx(2 / math.pi, abs=0.01)  # the mean of cos(u pi / 2)
    assert masked.float().mean(0) == pytest.approx(2 / math.pi, abs=0.02)  # no place is masked more often
