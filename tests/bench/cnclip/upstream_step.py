"""A training step with the order of work of upstream's loop, in plain PyTorch: the baseline of the training bench.

Written from the papers and the names of the official checkpoints, so that their weights load: nn.MultiheadAttention in
the vision tower (sequence first), attention by softmax and matrix products in BERT, all 52 tokens of every text, norms
in float32, float32 pixels from the host, float32 weights under autocast, AdamW as it is by default, and the numbers of
the log line read in every step. Upstream's amp is fp16 with a gradient scaler; bf16 here needs none, to its advantage.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from scripts.cnclip.model_files.architecture import Sizes

CONTEXT_LENGTH = 52


class Norm(nn.LayerNorm):
    """A layer norm in float32, whatever comes in."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.float()).type(x.dtype)


class QuickGelu(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


class Block(nn.Module):
    """A residual block of the vision transformer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads)
        self.ln_1, self.ln_2 = Norm(width), Norm(width)
        self.mlp = nn.Sequential()
        self.mlp.add_module("c_fc", nn.Linear(width, 4 * width))
        self.mlp.add_module("gelu", QuickGelu())
        self.mlp.add_module("c_proj", nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        out: Tensor = x + self.mlp(self.ln_2(x))
        return out


class Vision(nn.Module):
    """CLIP's vision transformer (Radford et al. 2021)."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        vision = sizes.vision
        self.conv1 = nn.Conv2d(3, vision.width, vision.patch, vision.patch, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(vision.width) * vision.width**-0.5)
        n = (vision.image // vision.patch) ** 2 + 1
        self.positional_embedding = nn.Parameter(torch.randn(n, vision.width) * vision.width**-0.5)
        self.ln_pre, self.ln_post = Norm(vision.width), Norm(vision.width)
        self.transformer = nn.Module()
        self.transformer.resblocks = nn.ModuleList(Block(vision.width, vision.heads) for _ in range(vision.layers))
        self.proj = nn.Parameter(torch.randn(vision.width, sizes.dim) * vision.width**-0.5)

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.conv1(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_embedding.to(x.dtype).expand(len(x), 1, -1), x], dim=1)
        x = self.ln_pre(x + self.positional_embedding.to(x.dtype)).transpose(0, 1)
        for block in self.transformer.resblocks:
            x = block(x)
        out: Tensor = self.ln_post(x[0]) @ self.proj
        return out


class Layer(nn.Module):
    """A layer of BERT (Devlin et al. 2019)."""

    def __init__(self, width: int, heads: int, mlp: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.attention = nn.Module()
        self.attention.self, self.attention.output = nn.Module(), nn.Module()
        for name in ("query", "key", "value"):
            setattr(self.attention.self, name, nn.Linear(width, width))
        self.attention.output.dense = nn.Linear(width, width)
        self.attention.output.LayerNorm = nn.LayerNorm(width, eps=1e-12)
        self.intermediate, self.output = nn.Module(), nn.Module()
        self.intermediate.dense = nn.Linear(width, mlp)
        self.output.dense = nn.Linear(mlp, width)
        self.output.LayerNorm = nn.LayerNorm(width, eps=1e-12)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        n, length, width = x.shape
        attention: nn.Module = self.attention

        def split(y: Tensor) -> Tensor:
            return y.view(n, length, self.heads, -1).transpose(1, 2)

        of = attention.self
        query, key, value = (split(linear(x)) for linear in (of.query, of.key, of.value))
        scores = query @ key.transpose(2, 3) / math.sqrt(width // self.heads) + mask
        weights = self._drop(scores.softmax(-1))
        y = (weights @ value).transpose(1, 2).reshape(n, length, width)
        out = attention.output
        x = out.LayerNorm(x + self._drop(out.dense(y)))
        y = functional.gelu(self.intermediate.dense(x))
        done: Tensor = self.output.LayerNorm(x + self._drop(self.output.dense(y)))
        return done

    def _drop(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.dropout, self.training)


class Bert(nn.Module):
    """BERT without its pooler."""

    def __init__(self, sizes: Sizes, dropout: float, mlp: int) -> None:
        super().__init__()
        text = sizes.text
        self.dropout = dropout
        self.embeddings, self.encoder = nn.Module(), nn.Module()
        self.embeddings.word_embeddings = nn.Embedding(text.vocabulary, text.width, padding_idx=0)
        self.embeddings.position_embeddings = nn.Embedding(text.positions, text.width)
        self.embeddings.token_type_embeddings = nn.Embedding(text.types, text.width)
        self.embeddings.LayerNorm = nn.LayerNorm(text.width, eps=1e-12)
        self.encoder.layer = nn.ModuleList(Layer(text.width, text.heads, mlp, dropout) for _ in range(text.layers))

    def forward(self, ids: Tensor) -> Tensor:
        places = torch.arange(ids.shape[1], device=ids.device)
        of = self.embeddings
        x = of.word_embeddings(ids) + of.position_embeddings(places)
        x = of.LayerNorm(x + of.token_type_embeddings(torch.zeros_like(ids)))
        x = functional.dropout(x, self.dropout, self.training)
        mask = (1.0 - (ids != 0)[:, None, None, :].float()) * -10_000.0
        for layer in self.encoder.layer:
            x = layer(x, mask)
        return x


class UpstreamOrder(nn.Module):
    """A Chinese CLIP that works as upstream's does; takes official weights.

    Args:
        sizes: of the model.
        text_dropout: of BERT; upstream's is 0.1.
    """

    def __init__(self, sizes: Sizes, *, text_dropout: float = 0.1) -> None:
        super().__init__()
        self.text_projection = nn.Parameter(torch.randn(sizes.text.width, sizes.dim) * sizes.text.width**-0.5)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        self.visual = Vision(sizes)
        self.bert = Bert(sizes, text_dropout, sizes.text.mlp or 4 * sizes.text.width)
        for name, parameter in self.bert.named_parameters():
            if parameter.ndim > 1 and "LayerNorm" not in name:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, pixels: Tensor, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Unit rows of pictures and texts, and the scale."""
        images = self.visual(pixels)
        texts = self.bert(ids)[:, 0] @ self.text_projection
        return (
            images / images.norm(dim=-1, keepdim=True),
            texts / texts.norm(dim=-1, keepdim=True),
            self.logit_scale.exp(),
        )


class UpstreamStep:
    """The steps of a training with this model.

    Args:
        model: on the device.
        bf16: under autocast.
    """

    def __init__(self, model: UpstreamOrder, *, bf16: bool = True) -> None:
        self.model, self._bf16 = model.train(), bf16
        names = dict(model.named_parameters())
        plain = [name for name in names if any(part in name for part in ("bn", "ln", "bias", "logit_scale"))]
        groups = [
            {"params": [names[name] for name in plain], "weight_decay": 0.0},
            {"params": [value for name, value in names.items() if name not in plain], "weight_decay": 1e-3},
        ]
        self._optimizer = torch.optim.AdamW(groups, lr=5e-5, betas=(0.9, 0.98), eps=1e-6)

    def __call__(self, pixels: Tensor, ids: Tensor) -> float:
        """Take a step.

        Args:
            pixels: (n, 3, S, S) float32 on the host.
            ids: (n, 52) int64 on the host.

        Returns:
            The loss.
        """
        device = self.model.logit_scale.device
        pixels, ids = pixels.to(device, non_blocking=True), ids.to(device, non_blocking=True)
        self._optimizer.zero_grad()
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self._bf16):
            images, texts, scale = self.model(pixels, ids)
            logits = scale * images @ texts.T
            own = torch.arange(len(logits), device=device)
            loss = (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2
        for right in (logits.argmax(1) == own, logits.argmax(0) == own):
            right.float().mean().item()
        loss.backward()
        self._optimizer.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, 4.6052)
        return loss.item()
