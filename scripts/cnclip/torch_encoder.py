"""A Chinese CLIP that runs in PyTorch. Imports torch."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers.models.chinese_clip.modeling_chinese_clip import ChineseCLIPModel

from scripts.cnclip.encoder import Features, ImageTextEncoder, fixed_batches, unit_rows
from scripts.cnclip.model_files.architecture import config_sizes
from scripts.cnclip.model_files.folder import (
    check_vocabulary,
    config_json,
    load_model,
    read_facts,
    vocabulary_of,
)
from scripts.cnclip.model_files.official import load_official
from scripts.cnclip.tokens import CONTEXT_LENGTH, Tokenizer, normalise
from scripts.shared.clip_pixels import MEAN, STD
from scripts.shared.errors import ConfigError
from scripts.shared.fingerprints import digest_value, file_sha256

# Rows at once. On a CPU large models gain nothing by more than one, and a single query would pay for the others.
_GPU_BATCH, _CPU_BATCH_OF_SMALL = 128, 32
_SMALL = 20_000_000  # parameters


class TorchEncoder(ImageTextEncoder):
    """See `ImageTextEncoder`.

    Args:
        model: the model; moved to the device and into evaluation mode.
        tokenizer: of its vocabulary.
        identity: that stands for its weights.
        context_length: see `ImageTextEncoder`.
        device: such as "cuda"; None for a GPU where there is one.
        batch_size: rows at once; None for what suits model and device.

    Raises:
        ConfigError: the vocabulary, or the context length, is not one for this model.
    """

    def __init__(
        self,
        model: ChineseCLIPModel,
        tokenizer: Tokenizer,
        *,
        identity: str,
        context_length: int = CONTEXT_LENGTH,
        device: str | None = None,
        batch_size: int | None = None,
    ) -> None:
        torch.set_num_threads(1)  # sums depend on it
        torch.backends.cudnn.allow_tf32 = False  # else a GPU rounds the patches to 10 bits before it embeds them
        check_vocabulary(tokenizer, model.config, where="vocab.txt")
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._model = model.to(self._device).eval()  # type: ignore[arg-type]
        self._tokenizer = tokenizer
        n_parameters = sum(parameter.numel() for parameter in model.parameters())
        suited = _CPU_BATCH_OF_SMALL if n_parameters < _SMALL else 1
        self._batch = batch_size or (suited if self._device.type == "cpu" else _GPU_BATCH)
        self._mean, self._std = (torch.tensor(value, device=self._device).view(3, 1, 1) for value in (MEAN, STD))
        sizes = config_sizes(model.config)
        if not 2 <= context_length <= sizes.text.positions:
            raise ConfigError(f"context_length: {context_length} is not from 2 to the model's {sizes.text.positions}")
        self.dim = sizes.dim
        self.context_length = context_length
        self.image_size = sizes.vision.image
        self.logit_scale = float(model.logit_scale.detach().exp())
        self.identity = identity
        self.tokenizer_identity = tokenizer.identity

    def tokenize(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """See `ImageTextEncoder.tokenize`."""
        return self._tokenizer.encode([normalise(text) for text in texts], self.context_length)

    def encode_tokens(self, ids: NDArray[np.int64]) -> Features:
        """See `ImageTextEncoder.encode_tokens`."""
        return self._run(ids, lambda batch: text_features(self._model, batch))

    def encode_pixels(self, pixels: NDArray[np.uint8] | NDArray[np.float32]) -> Features:
        """See `ImageTextEncoder.encode_pixels`."""

        def features(batch: Tensor) -> Tensor:
            if batch.dtype == torch.uint8:
                batch = (batch.float() / 255 - self._mean) / self._std
            return image_features(self._model, batch)

        return self._run(pixels, features)

    def _run(self, rows: NDArray[Any], features: Callable[[Tensor], Tensor]) -> Features:
        def run(batch: NDArray[Any]) -> Features:
            with torch.inference_mode():
                vectors: Features = features(torch.from_numpy(batch).to(self._device)).float().cpu().numpy()
            return unit_rows(vectors)

        if not len(rows):
            return np.zeros((0, self.dim), dtype=np.float32)
        return fixed_batches(rows, self._batch, run)


def text_features(model: ChineseCLIPModel, ids: Tensor) -> Tensor:
    """Text features as they leave the projection, (n, D), of token ids (n, length) int64; zeros are padding."""
    features: Tensor = model.get_text_features(input_ids=ids, attention_mask=(ids != 0).long()).pooler_output
    return features


def image_features(model: ChineseCLIPModel, pixels: Tensor) -> Tensor:
    """Picture features as they leave the projection, (n, D), of pixels (n, 3, S, S) as `pixel_values` gives them."""
    features: Tensor = model.get_image_features(pixel_values=pixels).pooler_output
    return features


def open_torch(path: Path, *, device: str | None = None, batch_size: int | None = None) -> TorchEncoder:
    """The model of a model folder, or of an official `.pt` file.

    Raises:
        ConfigError: a file is missing or damaged; names the mend.
    """
    if path.is_dir():
        model, facts = load_model(path), read_facts(path)
        tokenizer, weights, context_length = Tokenizer(vocabulary_of(path)), facts.weights_sha256, facts.context_length
    else:
        model, weights = load_official(path), file_sha256(path)
        tokenizer, context_length = Tokenizer(), CONTEXT_LENGTH
    return TorchEncoder(
        model,
        tokenizer,
        # Not the weights alone: heads leave no trace in them.
        identity=digest_value([weights, config_json(model.config)]),
        context_length=context_length,
        device=device,
        batch_size=batch_size,
    )
