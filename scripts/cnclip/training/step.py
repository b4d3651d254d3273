"""One step's gradients, the same whatever the number of chunks and processes.

The loss compares every pair of a batch with every other, so chunks and processes cannot each take a loss of their own.
Here each forwards what it has, the features of all are put together, the loss of the whole batch gives the gradient of
every feature, and that goes back through the encoders chunk by chunk (as GradCache, Gao et al. 2021, does).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from scripts.cnclip.training.distillation import Distiller, TeacherRows
from scripts.cnclip.training.losses import contrast, similarities
from scripts.shared.training.gradients import gradient_of, sum_gradients
from scripts.shared.training.processes import Processes

Rows = tuple[Tensor, Tensor]
Forward = Callable[[int], Rows]


class Losses(NamedTuple):
    """Of a whole batch, each () float32 without history.

    Attributes:
        total: the loss that was minimised.
        contrastive: its part without a teacher.
        image_to_text: see `Contrast`.
        text_to_image: likewise.
    """

    total: Tensor
    contrastive: Tensor
    image_to_text: Tensor
    text_to_image: Tensor


def gradients(
    forward: Forward,
    n_chunks: int,
    logit_scale: nn.Parameter,
    encoders: Sequence[nn.Parameter],
    processes: Processes,
    *,
    distiller: Distiller | None = None,
    teacher: TeacherRows | None = None,
) -> Losses:
    """Add the gradient of a batch's loss to every parameter, on each process that of the whole batch.

    Args:
        forward: gives, of this process's chunk by its number, (n, d) unit rows of pictures and of texts. It is asked
            twice where there are several chunks, and must give the same both times.
        n_chunks: of this process.
        logit_scale: logarithm of the scale.
        encoders: all parameters that the rows depend on.
        processes: those that share the batch, each with as many rows.
        distiller: what is added to the loss.
        teacher: its rows of this process's pairs.
    """
    kept: list[Rows] = []
    if n_chunks == 1:
        kept = [forward(0)]
        images, texts = (rows.detach() for rows in kept[0])
    else:
        with torch.no_grad():
            parts = [forward(chunk) for chunk in range(n_chunks)]
        images, texts = (torch.cat(rows) for rows in zip(*parts, strict=True))
    n_own = len(images)
    images, texts = (processes.gather_rows(rows).requires_grad_() for rows in (images, texts))
    logits = similarities(images, texts, logit_scale)
    told = contrast(logits)
    total = told.loss
    if distiller is not None and teacher is not None:
        total = total + distiller(images, texts, logits, _gathered(teacher, processes))
    total.backward()  # type: ignore[no-untyped-call]
    heads = [logit_scale, *(distiller.parameters() if distiller else ())]
    own = slice(processes.rank * n_own, (processes.rank + 1) * n_own)
    _backward(forward, n_chunks, kept, [gradient_of(rows)[own] for rows in (images, texts)])
    sum_gradients(encoders, heads, processes)
    return Losses(total.detach(), told.loss.detach(), told.image_to_text, told.text_to_image)


def _backward(forward: Forward, n_chunks: int, kept: list[Rows], wanted: Sequence[Tensor]) -> None:
    start = 0
    for chunk in range(n_chunks):
        rows = kept[chunk] if kept else forward(chunk)
        of_chunk = slice(start, start + len(rows[0]))
        start = of_chunk.stop
        learning = [(each, grad[of_chunk]) for each, grad in zip(rows, wanted, strict=True) if each.requires_grad]
        torch.autograd.backward([each for each, _ in learning], [grad for _, grad in learning])


def _gathered(teacher: TeacherRows, processes: Processes) -> TeacherRows:
    texts = None if teacher.texts is None else processes.gather_rows(teacher.texts)
    return TeacherRows(processes.gather_rows(teacher.images), texts)
