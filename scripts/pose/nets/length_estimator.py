"""MARDM's length estimator: how many tokens of motion a caption asks for."""

from torch import Tensor, nn

_SLOPE = 0.2


class LengthEstimator(nn.Module):
    """Text vector to a distribution over numbers of tokens; keys are those of the checkpoints (`estimator`).

    Args:
        text: D, width of a text vector.
        n_lengths: K; a motion has 0 to K - 1 tokens of four frames.
    """

    def __init__(self, text: int = 512, n_lengths: int = 50) -> None:
        super().__init__()
        self.output = nn.Sequential(
            *_layer(text, 512),
            nn.Identity(),  # stands where training drops out, so that the keys are numbered as upstream's
            *_layer(512, 256),
            nn.Identity(),
            *_layer(256, 128),
            nn.Linear(128, n_lengths),
        )

    def forward(self, text: Tensor) -> Tensor:
        """Text vectors (B, D) to logits (B, K) of the number of tokens."""
        logits: Tensor = self.output(text)
        return logits


def _layer(n_in: int, n_out: int) -> tuple[nn.Module, ...]:
    return nn.Linear(n_in, n_out), nn.LayerNorm(n_out), nn.LeakyReLU(_SLOPE)
