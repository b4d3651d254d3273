"""The contrastive losses: videos against their captions, regions against theirs."""

from typing import NamedTuple

import torch
from torch import Tensor


class Contrast(NamedTuple):
    """How well rows and captions are told apart.

    Attributes:
        loss: () with history; 0 where there is nothing to tell apart.
        chance: () what it is where nothing has been learnt.
        n: rows that took part.
    """

    loss: Tensor
    chance: Tensor
    n: int


def contrast(rows: Tensor, captions: Tensor, keys: Tensor, kept: Tensor, scale: Tensor) -> Contrast:
    """The symmetric contrastive loss in which all equal captions are right answers.

    Of each row -log of the probability of all captions equal to its own, and the same from captions to rows. At best
    it is 0, also with equal captions. (The mean of their log probabilities could not go below the mean logarithm of
    how many are equal.) With different captions it is that of CLIP.

    Args:
        rows: (n, D) float32 unit rows.
        captions: (n, D) float32 unit rows; of row i number i.
        keys: (n,) int64; equal where captions are.
        kept: (n,) bool; the others take no part, neither as answers nor as questions.
        scale: () of the cosines.

    Source: InfoNCE (Radford et al. 2021, arXiv:2103.00020) with several positives, Khosla et al. 2020
        (arXiv:2004.11362), the sum inside the logarithm.
    """
    rows, captions, keys = rows[kept], captions[kept], keys[kept]
    n = len(keys)
    if n < 2:
        # Nothing to be told from; still of the rows, so that every parameter has its gradient: none.
        return Contrast(rows.sum() * 0 + captions.sum() * 0 + scale * 0, scale.new_zeros(()), n)
    right = keys[:, None] == keys[None]
    logits = scale * rows @ captions.T
    loss = (_missed(logits, right) + _missed(logits.T, right)) / 2
    return Contrast(loss, (n / right.sum(1)).log().mean(), n)


def _missed(logits: Tensor, right: Tensor) -> Tensor:
    """Mean over rows of -log of the probability of the right answers together."""
    return (logits.logsumexp(1) - logits.masked_fill(~right, -torch.inf).logsumexp(1)).mean()


class Rows(NamedTuple):
    """What the losses compare, of one process or of all.

    Attributes:
        videos: (n, D) unit rows.
        captions: (n, D) unit rows, of the videos.
        caption_keys: (n,) int64, equal where captions are.
        kept: (n,) int64, 0 for a video without a part in the loss.
        regions: (m, D) unit rows.
        region_captions: (m, D) unit rows, of the regions.
        region_keys: (m,) int64.
        regions_kept: (m,) int64, 0 where there is no region.
    """

    videos: Tensor
    captions: Tensor
    caption_keys: Tensor
    kept: Tensor
    regions: Tensor
    region_captions: Tensor
    region_keys: Tensor
    regions_kept: Tensor


class Losses(NamedTuple):
    """Of a whole batch.

    Attributes:
        total: the loss that is minimised.
        videos: that of the videos, `loss_global` in the logs.
        regions: that of the regions.
    """

    total: Tensor
    videos: Contrast
    regions: Contrast


def batch_losses(rows: Rows, scale: Tensor, region_scale: Tensor, region_weight: float) -> Losses:
    """The losses of a batch.

    Args:
        rows: of all processes.
        scale: () of videos against captions.
        region_scale: () of regions against theirs.
        region_weight: of the regions' loss; with 0 it is left out, not multiplied by 0, which a NaN would survive.
    """
    videos = contrast(rows.videos, rows.captions, rows.caption_keys, rows.kept.bool(), scale)
    regions = contrast(rows.regions, rows.region_captions, rows.region_keys, rows.regions_kept.bool(), region_scale)
    return Losses(videos.loss + region_weight * regions.loss if region_weight else videos.loss, videos, regions)
