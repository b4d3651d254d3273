"""The checks of the exported forms of a Chinese CLIP on a GPU, in the form of `checks`.

They need numpy, transformers, Pillow, safetensors, onnx, onnxscript, onnxruntime and torch with CUDA; some also
onnxruntime-gpu or tensorrt, and say so where these are missing. Weights are random.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.gpu import speaker_checks

why_no_gpu = speaker_checks.why_no_gpu
DEVICE = "cuda"
LEAST = {"torch": 1 - 1e-6, "onnx_fp32": 1 - 1e-6, "onnx_fp16": 0.999, "tensorrt": 0.999}


def exported(root: Path, architecture: str, *, device: str = DEVICE) -> tuple[Path, Path]:
    """A model folder with random weights, and its exports; made once in a folder."""
    from scripts.cnclip.compression.export import export_model
    from scripts.cnclip.model_files.architecture import random_model
    from scripts.cnclip.model_files.folder import ModelFacts, save_model

    model_dir, exports = root / f"{architecture}.model", root / f"{architecture}.exports"
    if not exports.exists():
        save_model(random_model(architecture, 0), model_dir, facts=ModelFacts(architecture))
        export_model(model_dir, exports, name="model", device=device)
    return model_dir, exports


def forms_on(model_dir: Path, exports: Path, device: str) -> dict[str, Any]:
    """The forms that run on the device, by name."""
    from scripts.cnclip.compression.export_file import read_export
    from scripts.cnclip.encoder import open_model

    found: dict[str, Any] = {"torch": open_model(model_dir, device=device)}
    made = read_export(exports).forms
    for form in (form for form in LEAST if form in made and not made[form].skipped):
        encoder: Any = open_model(exports, form, device=device)
        if form == "tensorrt" or encoder.device == device:
            found[form] = encoder
    return found


def check_forms_are_those_of_the_cpu(folder: Path, device: str = DEVICE) -> str:
    """Every form that the device runs gives the vectors of torch on the CPU."""
    from scripts.cnclip.compression.likeness import likeness, probe_rows
    from scripts.cnclip.encoder import open_model

    model_dir, exports = exported(folder, "tiny-teacher", device=device)
    wanted = open_model(model_dir, device="cpu")
    pixels = np.random.default_rng(0).integers(0, 256, (9, 3, wanted.image_size, wanted.image_size), np.uint8)
    ids = probe_rows("txt", (wanted.context_length,), vocabulary=21_128)
    told = []
    for form, encoder in forms_on(model_dir, exports, device).items():
        near = (
            likeness(encoder.encode_pixels(pixels), wanted.encode_pixels(pixels)),
            likeness(encoder.encode_tokens(ids), wanted.encode_tokens(ids)),
        )
        least = min(each.least_cosine for each in near)
        assert least >= LEAST[form], f"{form}: cosine {least:.6f} with the CPU's"
        told.append(f"{form} {1 - least:.1e}")
    return ", ".join(told)


def check_tensorrt_was_built_or_says_why(folder: Path, device: str = DEVICE) -> str:
    """An engine is built where the package is; elsewhere the export tells the reason."""
    import importlib.util

    from scripts.cnclip.compression.export_file import read_export

    _, exports = exported(folder, "tiny-teacher", device=device)
    one = read_export(exports).forms["tensorrt"]
    there = importlib.util.find_spec("tensorrt") is not None and device != "cpu"
    assert bool(one.skipped) != there, one.skipped or "built without the package"
    return one.skipped or f"differences {one.differences}"


def check_rates(_: Path) -> str:
    """Pictures and texts a second, which a table of `tests.bench` holds; nothing fails here for being slow."""
    from tests.bench.cnclip import bench_cnclip_encoding_gpu

    table = bench_cnclip_encoding_gpu.run()
    return "; ".join(", ".join(map(str, row)) for row in table.rows)


CHECKS: tuple[Callable[[Path], str], ...] = (
    check_forms_are_those_of_the_cpu,
    check_tensorrt_was_built_or_says_why,
    check_rates,
)
