"""Pictures and texts a second on one GPU, by torch, ONNX Runtime and TensorRT.

Needs torch with CUDA and transformers, onnx, onnxscript and onnxruntime-gpu; tensorrt where its row shall be there.
Nothing is imported before it is needed, so that the checks run anywhere.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.bench.table import Cell, NotMeasured, Table
from tests.gpu.cnclip_export_checks import exported, why_no_gpu

ARCHITECTURE = "ViT-B-16_RoBERTa-wwm-ext-base-chinese"
BATCHES = (1, 128)
ENOUGH_S = 2.0
FORMS = ("torch", "onnx_fp32", "onnx_fp16", "tensorrt")
EMPTY = Table(
    title="Encoding with Chinese CLIP on the GPU",
    about="Pictures (decoded, uint8 in main memory) and texts (52 tokens) a second of ViT-B/16 with RoBERTa-base, "
    "random weights, from main memory and back; median over at least "
    f"{ENOUGH_S:g} s. torch and onnx_fp32 compute in float32, onnx_fp16 and tensorrt in float16.",
    columns=["form", "rows at once", "pictures a second", "texts a second", "of torch's pictures"],
    rows=[],
)


def run() -> Table:
    """Measure on the first GPU.

    Raises:
        NotMeasured: none answers, or torch cannot use it.
    """
    if why := why_no_gpu():
        raise NotMeasured(EMPTY, why)
    import torch

    found, notes = rows("cuda", ARCHITECTURE, BATCHES, enough_s=ENOUGH_S)
    notes = [f"On one {torch.cuda.get_device_name()}.", *notes]
    return replace(EMPTY, rows=found, notes=notes, versions={"torch": torch.__version__})


def rows(
    device: str, architecture: str, batches: Sequence[int], *, enough_s: float
) -> tuple[list[list[Cell]], list[str]]:
    """A row for each form that runs on the device and each batch; notes on those that do not.

    Args:
        device: such as "cuda".
        architecture: of the model.
        batches: rows at once.
        enough_s: seconds of a measurement.
    """
    from scripts.cnclip.compression.export_file import read_export
    from scripts.cnclip.compression.forms import encoding_ms
    from scripts.cnclip.encoder import open_model

    table: list[list[Cell]] = []
    notes = []
    with tempfile.TemporaryDirectory() as folder:
        model_dir, exports = exported(Path(folder), architecture, device=device)
        export = read_export(exports)
        for batch in batches:
            torchs = 0.0
            for form in FORMS:
                if form != "torch" and export.forms[form].skipped:
                    notes.append(f"{form} is not there: {export.forms[form].skipped}.")
                    continue
                path = model_dir if form == "torch" else exports
                encoder = open_model(path, form, device=device, batch_size=batch)
                if getattr(encoder, "device", device) != device:
                    notes.append(f"{form} is not there: this ONNX Runtime has no CUDA.")
                    continue
                ms = encoding_ms(encoder, export, batch, enough_s=enough_s)
                pictures, texts = 1e3 / ms["picture_ms"], 1e3 / ms["text_ms"]
                torchs = torchs or pictures
                table.append([form, batch, round(pictures), round(texts), round(pictures / torchs, 2)])
    return table, list(dict.fromkeys(notes))
