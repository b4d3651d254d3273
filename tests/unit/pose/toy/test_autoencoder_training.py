import numpy as np
import torch

from scripts.pose.nets.autoencoder import AutoEncoder
from scripts.pose.toy.autoencoder_training import scale_latents, train_autoencoder
from scripts.pose.toy.motions import Clip, looped, mean_and_std
from tests.unit.pose.toy.demo import FEW_STEPS


def test_training_lowers_the_loss_and_leaves_latents_of_size_1(clips: list[Clip]) -> None:
    mean, std = mean_and_std(clips)
    tracks = [torch.from_numpy(looped((clip.features - mean) / std)) for clip in clips]
    torch.manual_seed(0)
    autoencoder, losses = train_autoencoder(tracks, FEW_STEPS, torch.Generator().manual_seed(0))
    assert np.mean(losses[-20:]) < 0.85 * np.mean(losses[:20])
    with torch.no_grad():
        latents = torch.cat([autoencoder.encode(track[None, : len(track) // 4 * 4])[0] for track in tracks], dim=1)
    assert torch.allclose(latents.square().mean(1), torch.ones(FEW_STEPS.latent), atol=1e-4)


def test_scaling_the_latents_changes_nothing_that_is_decoded() -> None:
    torch.manual_seed(1)
    autoencoder, track = AutoEncoder(67, width=8, latent=4), torch.randn(33, 67)
    with torch.no_grad():
        before, latents = autoencoder.decode(autoencoder.encode(track[None])), autoencoder.encode(track[None])
        scale_latents(autoencoder, [track])
        assert torch.allclose(autoencoder.decode(autoencoder.encode(track[None])), before, atol=1e-5)
        assert not torch.allclose(autoencoder.encode(track[None]), latents, rtol=0.1)
