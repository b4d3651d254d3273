"""Pictures a second from a TSV to vectors on one GPU, and what part of the time the model waits for decoding.

Needs torch with CUDA and transformers. Nothing is imported before it is needed, so that the checks run anywhere.
"""

import base64
import io
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.table import Cell, NotMeasured, Table
from tests.gpu.speaker_checks import why_no_gpu

ARCHITECTURES = ("ViT-B-16_RoBERTa-wwm-ext-base-chinese", "ViT-L-14_RoBERTa-wwm-ext-base-chinese")
N_PICTURES, N_DISTINCT = 12_288, 64
WIDTH, HEIGHT = 500, 375  # of Flickr30k's pictures
ENOUGH_S = 3.0
EMPTY = Table(
    title="From a TSV of pictures to vectors on the GPU",
    about=f"{N_PICTURES:,} JPEG pictures of {WIDTH} x {HEIGHT} in a TSV, random weights, float32. Alone: the model on "
    "pictures that are ready in main memory. From the TSV: as the jobs encode, decoded by as many worker processes as "
    "there are CPU cores; without the start of the workers. Waits: part of that time in which the model has nothing to "
    "do because a picture is not decoded yet.",
    columns=["model", "workers", "alone, pictures a second", "from the TSV, pictures a second", "waits, %"],
    rows=[],
)


def write_tsv(path: Path, n: int, *, width: int = WIDTH, height: int = HEIGHT) -> list[Any]:
    """Make up pictures as rough as photos, and give the tasks of decoding them."""
    from PIL import Image

    from scripts.cnclip.evaluation.decoding import PictureTask

    rng = np.random.default_rng(0)
    texts = []
    for _ in range(min(n, N_DISTINCT)):
        coarse = Image.fromarray(rng.integers(0, 256, (height // 12, width // 12, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.int16)
        rough = np.clip(smooth + rng.normal(0, 8, smooth.shape), 0, 255).astype(np.uint8)
        content = io.BytesIO()
        Image.fromarray(rough).save(content, "JPEG", quality=90)
        texts.append(base64.b64encode(content.getvalue()))
    tasks = []
    with path.open("wb") as file:
        for row in range(n):
            offset, line = file.tell(), b"%d\t%s" % (row, texts[row % len(texts)])
            file.write(line + b"\n")
            tasks.append(PictureTask(row, path, 0, offset, len(line), row))
    return tasks


def alone_per_s(encoder: Any, *, enough_s: float = ENOUGH_S) -> float:
    """Pictures a second of the model on what is ready."""
    from scripts.cnclip.evaluation.decoding import AT_ONCE

    pixels = np.random.default_rng(0).integers(0, 256, (AT_ONCE, 3, encoder.image_size, encoder.image_size), np.uint8)
    for _ in range(3):
        encoder.encode_pixels(pixels)
    started, n = time.monotonic(), 0
    while time.monotonic() - started < enough_s:
        encoder.encode_pixels(pixels)
        n += AT_ONCE
    return n / (time.monotonic() - started)


def from_tsv(encoder: Any, tasks: list[Any], *, workers: int) -> tuple[float, float]:
    """Pictures a second of the whole, and the part of the time in which the model waits."""
    from scripts.cnclip.evaluation.features import encode_pictures

    sized = [task._replace(size=encoder.image_size) for task in tasks]
    _, failed, timings = encode_pictures(encoder, sized, workers=workers)
    if failed:
        raise AssertionError(f"{len(failed)} pictures failed: {next(iter(failed.values()))}")
    running_s = timings["wall_s"] - timings["start_s"]
    return len(tasks) / running_s, timings["waited_s"] / running_s


def rows(device: str, architectures: tuple[str, ...], n: int, *, workers: int, enough_s: float) -> list[list[Cell]]:
    """A row a model."""
    from scripts.cnclip.model_files.architecture import random_model
    from scripts.cnclip.tokens import Tokenizer
    from scripts.cnclip.torch_encoder import TorchEncoder

    found: list[list[Cell]] = []
    with tempfile.TemporaryDirectory() as folder:
        tasks = write_tsv(Path(folder, "x_imgs.tsv"), n)
        for name in architectures:
            encoder = TorchEncoder(random_model(name, 0), Tokenizer(), identity=name, device=device)
            alone = alone_per_s(encoder, enough_s=enough_s)
            from_tsv(encoder, tasks[: n // 8], workers=workers)  # so that the file is in memory, as on a second run
            rate, waits = from_tsv(encoder, tasks, workers=workers)
            found.append([name, workers, round(alone), round(rate), round(100 * waits, 1)])
    return found


def run() -> Table:
    """Measure on the first GPU.

    Raises:
        NotMeasured: none answers, or torch cannot use it.
    """
    if why := why_no_gpu():
        raise NotMeasured(EMPTY, why)
    import torch

    workers = len(os.sched_getaffinity(0))
    return replace(
        EMPTY,
        rows=rows("cuda", ARCHITECTURES, N_PICTURES, workers=workers, enough_s=ENOUGH_S),
        notes=[f"On one {torch.cuda.get_device_name()} with {workers} CPU cores."],
        versions={"torch": torch.__version__},
    )
