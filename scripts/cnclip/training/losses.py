"""The contrastive loss, and what else is told of a batch."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class Contrast(NamedTuple):
    """How well the pairs of a batch are told apart, each () float32 on the device of the features.

    Attributes:
        loss: see `contrast`.
        image_to_text: part of the pictures whose best match is their own text.
        text_to_image: part of the texts whose best match is their own picture.
    """

    loss: Tensor
    image_to_text: Tensor
    text_to_image: Tensor


def similarities(images: Tensor, texts: Tensor, logit_scale: Tensor) -> Tensor:
    """Scaled cosines.

    Args:
        images: (n, d) unit rows.
        texts: (m, d) unit rows.
        logit_scale: (), the logarithm of the scale.

    Returns:
        (n, m).
    """
    return logit_scale.exp() * images @ texts.T


def contrast(logits: Tensor) -> Contrast:
    """The symmetric cross entropy of pairs, the other pairs of the batch being the wrong answers.

    Args:
        logits: (n, n), picture i against text j; pair i is picture i with text i.

    Source: CLIP (Radford et al. 2021), figure 3.
    """
    own = torch.arange(len(logits), device=logits.device)
    loss = (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2
    with torch.no_grad():
        image_to_text = (logits.argmax(1) == own).float().mean()
        text_to_image = (logits.argmax(0) == own).float().mean()
    return Contrast(loss, image_to_text, text_to_image)
