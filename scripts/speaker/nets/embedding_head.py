"""The end that ResNet and ERes2Net share: pooling, then one linear layer or two."""

import torch
from torch import Tensor, nn

from scripts.speaker.nets.pooling import make_pooling


class EmbeddingHead(nn.Module):
    """Base of a net that pools its frames; its keys stand at the top of a checkpoint, so it is no part of its own.

    Args:
        in_dim: channels times frequencies of the frames.
        embed_dim: D.
        pooling_func: name of the pooling.
        two_emb_layer: a second linear layer follows the first, and its result is the embedding.
    """

    def __init__(self, in_dim: int, *, embed_dim: int, pooling_func: str, two_emb_layer: bool) -> None:
        super().__init__()
        self.pool = make_pooling(pooling_func, in_dim)
        self.seg_1 = nn.Linear(self.pool.out_dim, embed_dim)
        self.two_emb_layer = two_emb_layer
        if two_emb_layer:
            self.seg_bn_1 = nn.BatchNorm1d(embed_dim, affine=False)
            self.seg_2 = nn.Linear(embed_dim, embed_dim)

    def head(self, frames: Tensor) -> Tensor:
        """(B, C, F, T) to embeddings (B, D)."""
        embedding: Tensor = self.seg_1(self.pool(frames))
        if self.two_emb_layer:
            embedding = self.seg_2(self.seg_bn_1(torch.relu(embedding)))
        return embedding
