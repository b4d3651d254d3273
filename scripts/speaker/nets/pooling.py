"""From a frame sequence of any length to one vector: statistics over time, plain or weighted by attention.

Every pooling takes (B, C, T), or (B, C, F, T) where channel and frequency are then one axis, and gives (B, out_dim).
Names are those of `pooling_func` in WeSpeaker's `config.yaml`; attribute names are those of its checkpoints.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

_VARIANCE_FLOOR = 1e-7


class Pooling(nn.Module):
    """A pooling that knows the length of its result."""

    out_dim: int


class TAP(Pooling):
    """Mean."""

    def __init__(self, in_dim: int) -> None:
        super().__init__()
        self.out_dim = in_dim

    def forward(self, frames: Tensor) -> Tensor:
        """(B, [C,] F, T) to (B, D)."""
        return _one_axis(frames).mean(-1)


class TSDP(Pooling):
    """Standard deviation."""

    def __init__(self, in_dim: int) -> None:
        super().__init__()
        self.out_dim = in_dim

    def forward(self, frames: Tensor) -> Tensor:
        """(B, [C,] F, T) to (B, D)."""
        return _deviation(_one_axis(frames), keepdim=False)


class TSTP(Pooling):
    """Mean and standard deviation, as in the x-vector (Snyder et al. 2018, doi:10.1109/ICASSP.2018.8461375)."""

    def __init__(self, in_dim: int) -> None:
        super().__init__()
        self.out_dim = 2 * in_dim

    def forward(self, frames: Tensor) -> Tensor:
        """(B, [C,] F, T) to (B, 2 D)."""
        frames = _one_axis(frames)
        return torch.cat([frames.mean(-1), _deviation(frames, keepdim=False)], dim=1)


class ASTP(Pooling):
    """Mean and standard deviation weighted a channel and frame (ECAPA-TDNN, Desplanques et al. 2020, arXiv:2005.07143).

    Args:
        in_dim: channels of the frames.
        bottleneck_dim: width of the attention's hidden layer.
        global_context_att: the attention also sees mean and deviation of the whole utterance.
    """

    def __init__(self, in_dim: int, *, bottleneck_dim: int = 128, global_context_att: bool = False) -> None:
        super().__init__()
        self.out_dim = 2 * in_dim
        self.global_context = global_context_att
        self.linear1 = nn.Conv1d(3 * in_dim if global_context_att else in_dim, bottleneck_dim, 1)
        self.linear2 = nn.Conv1d(bottleneck_dim, in_dim, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """(B, [C,] F, T) to (B, 2 D)."""
        frames = _one_axis(frames)
        seen = frames
        if self.global_context:
            whole = [frames.mean(-1, keepdim=True), _deviation(frames, keepdim=True)]
            seen = torch.cat([frames, *(statistic.expand_as(frames) for statistic in whole)], dim=1)
        scores = self.linear2(torch.tanh(self.linear1(seen)))
        return torch.cat(_weighted_statistics(frames, scores, _VARIANCE_FLOOR), dim=1)


class ASP(Pooling):
    """The attentive statistics of SimAM-ResNet: a normalised rectifier in place of ASTP's tanh, and its own floor."""

    def __init__(self, in_dim: int, *, hidden_dim: int = 128) -> None:
        super().__init__()
        self.out_dim = 2 * in_dim
        self.attention = nn.Sequential(
            nn.Conv1d(in_dim, hidden_dim, 1), nn.ReLU(), nn.BatchNorm1d(hidden_dim), nn.Conv1d(hidden_dim, in_dim, 1)
        )

    def forward(self, frames: Tensor) -> Tensor:
        """(B, [C,] F, T) to (B, 2 D)."""
        frames = _one_axis(frames)
        return torch.cat(_weighted_statistics(frames, self.attention(frames), 1e-5), dim=1)


class MHASTP(Pooling):
    """Attentive statistics, the channels shared out among heads (India et al. 2019, arXiv:1906.09890).

    Args:
        in_dim: channels of the frames.
        layer_num: layers of a head's attention.
        head_num: heads; divides `in_dim`.
        d_s: weights a frame and head: 1, or above 1 one a channel.
        bottleneck_dim: width of the layers between.
    """

    def __init__(
        self, in_dim: int, *, layer_num: int = 2, head_num: int = 2, d_s: int = 1, bottleneck_dim: int = 64
    ) -> None:
        super().__init__()
        self.out_dim = 2 * in_dim
        width = in_dim // head_num
        widths = [width, *[bottleneck_dim] * (layer_num - 1), width if d_s > 1 else 1]
        self.heads_att_trans = nn.ModuleList(_attention_head(widths) for _ in range(head_num))

    def forward(self, frames: Tensor) -> Tensor:
        """(B, [C,] F, T) to (B, 2 D)."""
        parts = _one_axis(frames).chunk(len(self.heads_att_trans), dim=1)
        heads = zip(parts, self.heads_att_trans, strict=True)
        statistics = [_weighted_statistics(part, attention(part), _VARIANCE_FLOOR) for part, attention in heads]
        return torch.cat([value for pair in statistics for value in pair], dim=1)


class MQMHASTP(Pooling):
    """`MHASTP` several times over with weights of their own (Zhao et al. 2021, arXiv:2110.05042)."""

    def __init__(self, in_dim: int, *, query_num: int = 2) -> None:
        super().__init__()
        self.out_dim = 2 * in_dim * query_num
        self.n_query = nn.ModuleList(MHASTP(in_dim, head_num=8, d_s=2) for _ in range(query_num))

    def forward(self, frames: Tensor) -> Tensor:
        """(B, [C,] F, T) to (B, 2 D * queries)."""
        return torch.cat([query(frames) for query in self.n_query], dim=1)


POOLINGS: dict[str, Callable[[int], Pooling]] = {
    "TAP": TAP,
    "TSDP": TSDP,
    "TSTP": TSTP,
    "ASTP": ASTP,
    "MHASTP": MHASTP,
    "MQMHASTP": MQMHASTP,
}


def make_pooling(name: str, in_dim: int) -> Pooling:
    """The pooling that `pooling_func` names.

    Raises:
        ValueError: none has that name.
    """
    if name not in POOLINGS:
        raise ValueError(f"pooling_func is {name!r}; known are {', '.join(POOLINGS)}")
    return POOLINGS[name](in_dim)


def _one_axis(frames: Tensor) -> Tensor:
    return frames.flatten(1, -2)


def _deviation(frames: Tensor, *, keepdim: bool) -> Tensor:
    return torch.sqrt(frames.var(-1, keepdim=keepdim) + _VARIANCE_FLOOR)


def _weighted_statistics(frames: Tensor, scores: Tensor, floor: float) -> tuple[Tensor, Tensor]:
    """Mean and deviation over time of (B, C, T) with softmax weights from scores of (B, C or 1, T)."""
    weights = torch.softmax(scores, dim=-1)
    mean = (weights * frames).sum(-1)
    variance = (weights * frames**2).sum(-1) - mean**2
    return mean, torch.sqrt(variance.clamp(min=floor))


def _attention_head(widths: list[int]) -> nn.Sequential:
    """Convolutions of one frame, tanh between them, under the names `att_0`, `att_1`, ... ."""
    head = nn.Sequential()
    for i, (before, after) in enumerate(pairwise(widths)):
        if i:
            head.add_module(f"tanh{i - 1}", nn.Tanh())
        head.add_module(f"att_{i}", nn.Conv1d(before, after, 1))
    return head
