"""What the exported forms of a model have in common as `ImageTextEncoder`. Imports no torch."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.cnclip.compression.export_file import VOCABULARY, Export, form_files, form_identity, read_export
from scripts.cnclip.compression.halves import Side
from scripts.cnclip.encoder import Features, ImageTextEncoder, fixed_batches, unit_rows
from scripts.cnclip.tokens import Tokenizer
from scripts.cnclip.tokens import normalise as normalise_text


class ExportedEncoder(ImageTextEncoder):
    """A form of a model, in a folder of exports; see `ImageTextEncoder`.

    Args:
        path: the folder.
        form: its name.

    Raises:
        ConfigError: there is no such form, or a file is missing or damaged.
    """

    batch_size: int

    def __init__(self, path: Path, form: str) -> None:
        self.export: Export = read_export(path)
        self.files: Mapping[Side, Path] = form_files(path, self.export, form)
        self._tokenizer = Tokenizer(path / VOCABULARY)
        self.dim = self.export.dim
        self.context_length = self.export.context_length
        self.image_size = self.export.image_size
        self.logit_scale = self.export.logit_scale
        self.identity = form_identity(self.export, form)
        self.tokenizer_identity = self._tokenizer.identity

    @abstractmethod
    def features(self, side: Side, batch: NDArray[Any]) -> Features:
        """Features (n, D) float32, not normalised, of one half's input: ids, or pixels as uint8 or float32."""

    def tokenize(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """See `ImageTextEncoder.tokenize`."""
        return self._tokenizer.encode([normalise_text(text) for text in texts], self.context_length)

    def encode_tokens(self, ids: NDArray[np.int64]) -> Features:
        """See `ImageTextEncoder.encode_tokens`."""
        return self._encode("txt", ids)

    def encode_pixels(self, pixels: NDArray[np.uint8] | NDArray[np.float32]) -> Features:
        """See `ImageTextEncoder.encode_pixels`."""
        return self._encode("img", pixels)

    def _encode(self, side: Side, rows: NDArray[Any]) -> Features:
        if not len(rows):
            return np.zeros((0, self.dim), np.float32)
        return fixed_batches(rows, self.batch_size, lambda batch: unit_rows(self.features(side, batch)))
