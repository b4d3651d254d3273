"""What a student learns from a teacher beside the captions: three losses on the features of a whole batch.

`cos_interp` is upstream's loss and compares pictures alone. `kl` lets the student give the teacher's similarities
(Hinton et al. 2015, with their temperature); `kl_feat` also pulls the student's features, through a learned matrix that
is dropped after the training, to the teacher's.
"""

import math
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from scripts.cnclip.training.options import Distillation


class TeacherRows(NamedTuple):
    """A teacher's unit rows of the pairs of a batch: (n, D) float32 of pictures, and of texts where it has them."""

    images: Tensor
    texts: Tensor | None


def interpolated_cosine(student: Tensor, teacher: Tensor) -> Tensor:
    """One less the mean cosine of the teacher's rows and the student's, these stretched linearly to the same width.

    Args:
        student: (n, d) float32.
        teacher: (n, D) float32, on the same device.

    Returns:
        () float32.

    Source: the loss that Chinese-CLIP documents in `distillation_En.md`.
    """
    stretched = student @ stretching(student.shape[1], teacher.shape[1], student.device)
    return 1 - functional.cosine_similarity(teacher, stretched).mean()


@cache
def stretching(n_from: int, n_to: int, device: torch.device) -> Tensor:
    """(n_from, n_to) float32 matrix that stretches rows linearly, as `interpolate` without aligned corners does.

    As a product, because the gradient of `interpolate` adds up in any order on a GPU, which a training that repeats
    to the bit refuses.
    """
    units = torch.eye(n_from)[None]
    return functional.interpolate(units, size=n_to, mode="linear", align_corners=False)[0].to(device)


def soft_label_divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 KL(teacher || student) of softened similarities, mean of pictures to texts and texts to pictures.

    Args:
        student: (n, n) logits, its own scale in them.
        teacher: (n, n) logits, its own scale in them.
        temperature: T; both are divided by it. T^2 keeps the gradients at the size that they have at T = 1.

    Source: Hinton, Vinyals and Dean 2015, doi:10.48550/arXiv.1503.02531.
    """
    ways = [
        functional.kl_div(
            functional.log_softmax(student / temperature, dim),
            functional.log_softmax(teacher / temperature, dim),
            reduction="sum",
            log_target=True,
        )
        for dim in (0, 1)
    ]
    return temperature**2 * (ways[0] + ways[1]) / (2 * len(student))


class Distiller(nn.Module):
    """The distillation loss of one run.

    Args:
        options: of the run.
        teacher_scale: what the teacher's cosines are multiplied with; None where it has no texts, which `kl` needs.
        student_dim: width of the student's features.
        teacher_dim: width of the teacher's features.
        seed: of the first weights of the matrix between the two.

    Attributes:
        projector: (D, d) matrix from the student's features to the teacher's for `kl_feat`, one for pictures and
            texts, since both have one space; None for the other losses.
    """

    def __init__(
        self, options: Distillation, *, teacher_scale: float | None, student_dim: int, teacher_dim: int, seed: int
    ) -> None:
        super().__init__()
        self.options = options
        self._teacher_scale = teacher_scale
        self.projector: nn.Parameter | None = None
        if options.name == "kl_feat":
            random = torch.Generator().manual_seed(seed)
            weights = torch.randn(teacher_dim, student_dim, generator=random) / math.sqrt(student_dim)
            self.projector = nn.Parameter(weights)

    def forward(self, images: Tensor, texts: Tensor, logits: Tensor, teacher: TeacherRows) -> Tensor:
        """What is added to the contrastive loss, weights included.

        Args:
            images: (n, d) unit rows of the student.
            texts: (n, d) likewise.
            logits: (n, n) similarities of the student.
            teacher: of the same pairs.
        """
        options = self.options
        if options.name == "cos_interp":
            return options.weight * interpolated_cosine(images, teacher.images)
        if teacher.texts is None or self._teacher_scale is None:
            raise ValueError(f"{options.name} needs a teacher with texts and a scale")  # `teacher` refuses it before
        wanted = self._teacher_scale * teacher.images @ teacher.texts.T
        loss = options.alpha * soft_label_divergence(logits, wanted, options.temperature)
        if self.projector is not None:
            apart = [
                1 - functional.cosine_similarity(rows @ self.projector.T, goal).mean()
                for rows, goal in ((images, teacher.images), (texts, teacher.texts))
            ]
            loss = loss + options.beta * (apart[0] + apart[1]) / 2
        return loss
