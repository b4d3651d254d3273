"""The checks of the search's encoders on a GPU, in the form of `checks`.

They need numpy, Pillow, PyAV, tokenizers, onnxruntime, torch with CUDA, and the packages that ship ConSE's weights.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.gpu import speaker_checks

why_no_gpu = speaker_checks.why_no_gpu
DEVICE = "cuda"
PICTURES = Path(__file__).parents[1] / "data" / "demo" / "search" / "pictures"
LEAST_COSINE = 0.999  # convolutions may take TF32 on a GPU
_RATE_PICTURES = 1024


def encoder_on(device: str) -> Any:
    """The encoder that is used unless another one is named."""
    from scripts.search.encoders import open_encoder

    return open_encoder("conse", "", {}, device=device)


def demo_pixels(size: int) -> Any:
    """The demo's pictures, (n, 3, size, size) uint8."""
    from scripts.search.reading import read_picture

    files = sorted(path for path in PICTURES.rglob("*") if path.suffix in {".jpg", ".png"})
    return np.stack([read_picture(file, size=size, min_size=1)[0] for file in files])


def check_vectors_are_those_of_the_cpu(_: Path, device: str = DEVICE) -> str:
    """Pictures have the CPU's vectors, one by one and together: an index may be made on one and asked on the other."""
    ours, wanted = encoder_on(device), encoder_on("cpu")
    pixels = demo_pixels(wanted.image_size)
    expected = wanted.encode_pixels(pixels)
    together = ours.encode_pixels(pixels)
    alone = np.concatenate([ours.encode_pixels(one[None]) for one in pixels])
    least = min(float((found * expected).sum(axis=1).min()) for found in (together, alone))
    assert least >= LEAST_COSINE, f"cosine {least:.6f} with the CPU's vectors"
    assert ours.identity == wanted.identity, "the identity of the encoder changes with its device"
    return f"{len(pixels)} pictures, least cosine {least:.6f}"


def check_rates(_: Path, device: str = DEVICE) -> str:
    """Pictures a second through the encoder, reading left out; nothing fails here for being slow."""
    encoder = encoder_on(device)
    pixels = np.resize(demo_pixels(encoder.image_size), (_RATE_PICTURES, 3, encoder.image_size, encoder.image_size))
    encoder.encode_pixels(pixels)
    started = time.perf_counter()
    encoder.encode_pixels(pixels)
    return f"{_RATE_PICTURES / (time.perf_counter() - started):.0f} pictures a second"


CHECKS: tuple[Callable[[Path], str], ...] = (check_vectors_are_those_of_the_cpu, check_rates)
