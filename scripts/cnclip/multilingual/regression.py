"""Learning where the teacher puts a caption, from the caption in any language.

Teacher learning: the student's vector of a translation is pulled to the teacher's vector of the original by their mean
squared distance (Reimers and Gurevych 2020, arXiv:2004.09813), with a linear map into CLIP's space (Multilingual-CLIP,
Carlsson et al. 2022, LREC).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from scripts.cnclip.multilingual.options import MultilingualOptions
from scripts.cnclip.multilingual.sentence_encoders import HuggingFaceEncoder
from scripts.shared.training.schedule import warmup_cosine


@dataclass(frozen=True)
class Spread:
    """Where an encoder's vectors lie: around `centre` (D,), at the root mean square distance `size` a number.

    Sentence encoders put all texts into a narrow cone. Seen from its middle and at unit size they are learned from in
    a tenth of the steps; `folded` puts both into the map, so that the model knows nothing of it.
    """

    centre: Tensor
    size: float

    @classmethod
    def of(cls, vectors: Tensor) -> "Spread":
        """Of vectors (n, D)."""
        centre = vectors.mean(dim=0)
        return cls(centre, max(float((vectors - centre).square().mean().sqrt()), 1e-6))


class Student(nn.Module):
    """A linear map into the teacher's space, and the encoder before it where that is trained too.

    Args:
        spread: of the encoder's vectors as it began.
        into: length of the teacher's vectors.
        encoder: to be trained; None for vectors that are given.
    """

    def __init__(self, spread: Spread, into: int, encoder: HuggingFaceEncoder | None) -> None:
        super().__init__()
        self.register_buffer("centre", spread.centre, persistent=False)
        self._size = spread.size
        self.projection = nn.Linear(len(spread.centre), into)
        self.encoder = encoder

    def forward(self, vectors: Tensor) -> Tensor:
        """The teacher's vectors as guessed from the encoder's (n, D)."""
        guessed: Tensor = self.projection((vectors - self.get_buffer("centre")) / self._size)
        return guessed

    def forward_texts(self, texts: Sequence[str]) -> Tensor:
        """Likewise of texts, through the encoder that is trained."""
        if self.encoder is None:
            raise ValueError("a frozen encoder's vectors are computed beforehand")
        device = self.projection.weight.device
        ids, mask = self.encoder.tokens(texts)
        guessed: Tensor = self(self.encoder(ids.to(device), mask.to(device)).float())
        return guessed

    def folded(self) -> nn.Linear:
        """One linear map of the encoder's vectors as they are, on the CPU."""
        weight = self.projection.weight.detach().double().cpu() / self._size
        bias = self.projection.bias.detach().double().cpu() - weight @ self.get_buffer("centre").double().cpu()
        folded = nn.Linear(weight.shape[1], weight.shape[0])
        with torch.no_grad():
            folded.weight.copy_(weight)
            folded.bias.copy_(bias)
        return folded


def distance(guessed: Tensor, taught: Tensor) -> Tensor:
    """Mean over captions of the squared distance of two vectors, both (n, D)."""
    return (guessed - taught).square().sum(dim=1).mean()


def make_optimizer(student: Student, options: MultilingualOptions) -> torch.optim.AdamW:
    """AdamW; matrices decay, biases and norms do not."""
    parameters = [parameter for parameter in student.parameters() if parameter.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [one for one in parameters if one.ndim > 1], "weight_decay": options.weight_decay},
        {"params": [one for one in parameters if one.ndim <= 1], "weight_decay": 0.0},
    ]
    betas = (options.beta1, options.beta2)
    return torch.optim.AdamW(groups, lr=options.lr, betas=betas, eps=options.eps, foreach=False)


def set_rate(optimizer: torch.optim.Optimizer, options: MultilingualOptions, step: int, total: int) -> float:
    """Set the learning rate of a step (from 0 on) and return it."""
    lr = warmup_cosine(step, lr=options.lr, warmup=options.warmup, total=total)
    for group in optimizer.param_groups:
        group["lr"] = lr
    return lr
