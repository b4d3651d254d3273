"""Texts and pictures in one space: the door through which all else uses a model.

model = load("results/cnclip/runs/kl/model")
cosines = model.similarity(["红色的杯子", "一只猫"], [Path("cup.jpg")])
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scripts.cnclip.pixels import as_uint8
from scripts.cnclip.places import model_folder
from scripts.cnclip.runs import EXPORTED_FORMS, ONNX_FORMS, form_of
from scripts.shared.config import SHIPPED_CONFIG, read_config
from scripts.shared.errors import ConfigError, SampleError

Picture = Path | bytes | Image.Image
Features = NDArray[np.float32]
TORCH = "torch"
FORMS = (TORCH, *EXPORTED_FORMS)


class ImageTextEncoder(ABC):
    """A model that is loaded: texts and pictures in, vectors of one space out.

    Attributes:
        dim: D, length of its vectors.
        context_length: ids that it takes a text.
        image_size: S, edge of the pictures that it takes.
        logit_scale: what a cosine is multiplied with before a softmax, such as 100.
        identity: of weights, sizes and form; equal ones give equal vectors on one machine.
        tokenizer_identity: of its vocabulary.
    """

    dim: int
    context_length: int
    image_size: int
    logit_scale: float
    identity: str
    tokenizer_identity: str

    @abstractmethod
    def tokenize(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Token ids of captions, (n, context_length) int64, zeros after the end."""

    @abstractmethod
    def encode_tokens(self, ids: NDArray[np.int64]) -> Features:
        """Unit vectors, (n, D) float32, of token ids (n, context_length); a row's bytes do not depend on the others."""

    @abstractmethod
    def encode_pixels(self, pixels: NDArray[np.uint8] | NDArray[np.float32]) -> Features:
        """Unit vectors, (n, D) float32, of pictures (n, 3, S, S).

        Args:
            pixels: uint8 as `pixels.as_uint8` gives them, or float32 as `pixels.pixel_values` does: with equal results.
        """

    def encode_text(self, texts: Sequence[str]) -> Features:
        """Unit vectors of captions, (n, D) float32.

        Raises:
            TypeError: `texts` is one text, not a list of them.
        """
        if isinstance(texts, str):
            raise TypeError("encode_text takes a list of texts; for a single one write [text]")
        return self.encode_tokens(self.tokenize(texts))

    def encode_image(self, images: Sequence[Picture]) -> Features:
        """Unit vectors of pictures, (n, D) float32.

        Args:
            images: paths, files as bytes, or Pillow pictures.

        Raises:
            SampleError: one is no picture that can be read; names which.
            TypeError: `images` is one picture, not a list of them.
        """
        if isinstance(images, (str, bytes, Path, Image.Image)):
            raise TypeError("encode_image takes a list of pictures; for a single one write [picture]")
        pixels = np.zeros((len(images), 3, self.image_size, self.image_size), dtype=np.uint8)
        for number, image in enumerate(images):
            pixels[number] = as_uint8(_opened(image, number), self.image_size)
        return self.encode_pixels(pixels)

    def similarity(self, texts: Sequence[str], images: Sequence[Picture]) -> Features:
        """Cosines of captions with pictures, (n_texts, n_images) float32; see `encode_text` and `encode_image`."""
        return self.encode_text(texts) @ self.encode_image(images).T


def load(name_or_dir: str | Path, *, device: str | None = None, config: Path = SHIPPED_CONFIG) -> ImageTextEncoder:
    """Load a model.

    Args:
        name_or_dir: a model folder, an official `.pt` file, or a name of the configuration: of a model or a run, where
            `<run>.init` is what the run began with and `<name>.onnx_int8` and the like are its exported forms.
        device: such as "cuda"; None for a GPU where there is one.
        config: the file of the configuration that has the name.

    Raises:
        ConfigError: there is none, or it is damaged; names the mend.
    """
    path = Path(name_or_dir)
    if path.exists():
        return open_model(path, device=device)
    if len(path.parts) > 1 or path.suffix == ".pt":
        raise ConfigError(f"{path}: no such model folder or file")
    name = str(name_or_dir)
    try:
        folder = model_folder(read_config(config), name)
    except ConfigError as error:
        raise ConfigError(f"{config}: {error}; load(..., config=Path(...)) reads another configuration") from error
    if not folder.exists():
        raise ConfigError(f"{name}: {folder} is yet to be made: snakemake with the target all_cnclip makes it")
    return open_model(folder, opened_as(name), device=device)


def opened_as(name: str) -> str:
    """The form in which `open_model` opens what a name of the configuration stands for: `torch` also of `kl.init`."""
    return form_of(name) if form_of(name) in EXPORTED_FORMS else TORCH


def open_model(
    path: Path, form: str = TORCH, *, device: str | None = None, batch_size: int | None = None
) -> ImageTextEncoder:
    """The one door to a model in any form.

    Args:
        path: a model folder of any kind or an official `.pt` file; for other forms than "torch", the folder of exports.
        form: one of `FORMS`.
        device: such as "cuda"; None for a GPU where there is one.
        batch_size: rows that go through the model at once; None for what suits model and device. Equal sizes give
            equal bytes.

    Raises:
        ConfigError: there is none, or it is damaged; names the mend.
    """
    # Each is imported where it is chosen: transformers and onnxruntime take seconds.
    if form not in FORMS:
        raise ConfigError(f"{path}: no form {form!r} of a model; there are {', '.join(FORMS)}")
    if form == "tensorrt":
        from scripts.cnclip.compression.tensorrt import TensorRtModel

        return TensorRtModel(path, batch_size=batch_size)
    if form in ONNX_FORMS:
        from scripts.cnclip.compression.onnx_model import OnnxModel

        return OnnxModel(path, form, device=device, batch_size=batch_size)
    if _kind(path) == "multilingual":
        from scripts.cnclip.multilingual.model import MultilingualModel

        return MultilingualModel(path, device=device, batch_size=batch_size)
    from scripts.cnclip.torch_encoder import open_torch

    return open_torch(path, device=device, batch_size=batch_size)


def fixed_batches(rows: NDArray[Any], size: int, run: Callable[[NDArray[Any]], Features]) -> Features:
    """Run a model on batches that all have one shape: the last is filled up with its first row.

    Matrix products of other shapes add in another order; so a row's vector would depend on its company.

    Args:
        rows: (n, ...), n at least 1.
        size: rows a batch.
        run: (size, ...) -> (size, D) float32.

    Returns:
        (n, D) float32.
    """
    parts = []
    for start in range(0, len(rows), size):
        batch = np.ascontiguousarray(rows[start : start + size])
        n_rows = len(batch)
        if n_rows < size:
            batch = np.concatenate([batch, np.repeat(batch[:1], size - n_rows, axis=0)])
        parts.append(run(batch)[:n_rows])
    return np.concatenate(parts)


def unit_rows(features: Features) -> Features:
    """Rows brought to unit length, float32; a row of zeros or with a NaN gives NaN, which the gates catch."""
    with np.errstate(invalid="ignore", divide="ignore"):
        lengths = np.sqrt(np.square(features, dtype=np.float32).sum(axis=1, keepdims=True, dtype=np.float32))
        unit: Features = (features / lengths).astype(np.float32, copy=False)
    return unit


def _kind(path: Path) -> str:
    facts = path / "polymill.json"
    if not facts.is_file():
        return ""
    try:
        said = json.loads(facts.read_text(encoding="utf-8"))
        return str(said["kind"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{facts}: does not hold the facts of a model ({error}); make the folder again") from error


def _opened(image: Picture, number: int) -> Image.Image:
    from scripts.cnclip.data.pictures import open_picture

    if isinstance(image, Image.Image):
        return image
    try:
        return open_picture(image if isinstance(image, bytes) else Path(image).read_bytes())
    except OSError as error:
        raise SampleError("no_picture", f"picture {number}: {image!r}: {error.strerror}") from error
    except SampleError as error:
        where = f"picture {number}" if isinstance(image, bytes) else str(image)
        raise SampleError(error.error, f"{where}: {error.message}") from error
