"""MARDM's autoencoder: normalised features to latents of four frames each and back (Meng et al. 2025, CVPR)."""

import torch
from torch import Tensor, nn


class _Residual(nn.Module):
    """Adds two convolutions, each behind a rectifier; the first one looks `dilation` frames to either side."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.conv2 = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.conv2(torch.relu(self.conv1(torch.relu(x))))
        return y


class _Residuals(nn.Module):
    """Residual blocks, from the one that looks furthest to the one that looks at the next frames."""

    def __init__(self, width: int, depth: int, dilation: int) -> None:
        super().__init__()
        self.model = nn.Sequential(*(_Residual(width, dilation**i) for i in reversed(range(depth))))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.model(x)
        return y


class _Encoder(nn.Module):
    def __init__(self, n_features: int, width: int, latent: int, depth: int, dilation: int) -> None:
        super().__init__()

        def halving() -> nn.Sequential:
            return nn.Sequential(nn.Conv1d(width, width, 4, 2, padding=1), _Residuals(width, depth, dilation))

        self.model = nn.Sequential(
            nn.Conv1d(n_features, width, 3, padding=1),
            nn.ReLU(),
            halving(),
            halving(),
            nn.Conv1d(width, latent, 3, padding=1),
        )


class _Decoder(nn.Module):
    def __init__(self, n_features: int, width: int, latent: int, depth: int, dilation: int) -> None:
        super().__init__()

        def doubling() -> nn.Sequential:
            return nn.Sequential(
                _Residuals(width, depth, dilation), nn.Upsample(scale_factor=2), nn.Conv1d(width, width, 3, padding=1)
            )

        self.model = nn.Sequential(
            nn.Conv1d(latent, width, 3, padding=1),
            nn.ReLU(),
            doubling(),
            doubling(),
            nn.Conv1d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv1d(width, n_features, 3, padding=1),
        )


class AutoEncoder(nn.Module):
    """Convolutions over time; keys of the state dict are those of MARDM's checkpoints (`ae`).

    Args:
        n_features: F, numbers that describe a frame: 67 for t2m, 64 for kit.
        width: channels of the convolutions.
        latent: C, channels of a latent.
        depth: residual blocks after each change of rate.
        dilation: of the last block 1, of each one before it this many times more.
    """

    def __init__(
        self, n_features: int, *, width: int = 512, latent: int = 512, depth: int = 3, dilation: int = 3
    ) -> None:
        super().__init__()
        self.encoder = _Encoder(n_features, width, latent, depth, dilation)
        self.decoder = _Decoder(n_features, width, latent, depth, dilation)

    def encode(self, features: Tensor) -> Tensor:
        """Normalised features (B, T, F) to latents (B, C, T // 4); frames over a multiple of four are left out."""
        latents: Tensor = self.encoder.model(features.transpose(1, 2))
        return latents

    def decode(self, latents: Tensor) -> Tensor:
        """Latents (B, C, L) to normalised features (B, 4 L, F)."""
        features: Tensor = self.decoder.model(latents)
        return features.transpose(1, 2)
