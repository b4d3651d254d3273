"""The job that exports a model: every form made, compared with torch, and written down."""

import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import onnx
import torch
from numpy.typing import NDArray
from transformers.models.chinese_clip.modeling_chinese_clip import ChineseCLIPModel

from scripts.cnclip.compression import tensorrt
from scripts.cnclip.compression.export_file import (
    FORMS,
    ONNX_FORMS,
    TENSORRT,
    VOCABULARY,
    Export,
    Exported,
    write_export,
)
from scripts.cnclip.compression.fp16 import to_fp16
from scripts.cnclip.compression.halves import INPUTS, OUTPUTS, SIDES, Side
from scripts.cnclip.compression.int8 import to_int8
from scripts.cnclip.compression.likeness import (
    BATCH_SIZES,
    LEAST_COSINE,
    Features,
    Likeness,
    in_batches,
    likeness,
    probe_rows,
    worst,
)
from scripts.cnclip.compression.onnx_export import export_tower
from scripts.cnclip.compression.onnx_file import files_of, write_model
from scripts.cnclip.compression.towers import input_shape, towers
from scripts.cnclip.model_files.folder import load_model, read_facts, vocabulary_of
from scripts.cnclip.torch_encoder import image_features, text_features
from scripts.shared.errors import ConfigError, JobError
from scripts.shared.fingerprints import digest_file, file_sha256
from scripts.shared.new_folder import new_folder
from scripts.shared.onnx_session import open_session
from scripts.shared.packages import installed_versions

log = logging.getLogger(__name__)

_PACKAGES = ("onnx", "onnxruntime", "onnxruntime-gpu", "onnxscript", "tensorrt", "torch", "transformers")
_CONVERTERS: Mapping[str, Callable[[onnx.ModelProto], onnx.ModelProto]] = {
    "onnx_fp32": lambda model: model,
    "onnx_fp16": to_fp16,
    "onnx_int8": to_int8,
}


class Probe(NamedTuple):
    """Rows of one half's input, and torch's features of them."""

    rows: NDArray[Any]
    wanted: Features


class Part(NamedTuple):
    """One half of a model in one form: its files, the half itself first, and how near it is."""

    files: list[Path]
    near: Likeness


def export_model(
    model_dir: Path,
    out: Path,
    *,
    name: str,
    forms: Sequence[str] = FORMS,
    largest_batch: int = tensorrt.LARGEST_BATCH,
    device: str = "cuda",
) -> Export:
    """Export a model; the folder appears when every form has been compared with torch.

    Args:
        model_dir: a model folder of a Chinese CLIP.
        out: the folder to write: `<name>.img.fp32.onnx`, `<name>.txt.fp32.onnx` and so on, `vocab.txt`, `export.json`.
            Equal weights and versions give equal bytes, but for TensorRT's engines.
        name: of the model; file names begin with it.
        forms: of `onnx_fp32`, `onnx_fp16`, `onnx_int8` and `tensorrt`, which is built from `onnx_fp16`. Where no GPU or
            no package is, `export.json` says why `tensorrt` was left out.
        largest_batch: rows that an engine of TensorRT takes at once.
        device: "cpu" where TensorRT shall be left out, though there may be a GPU.

    Returns:
        What `export.json` says.

    Raises:
        ConfigError: it is no model folder, or of a kind that is not exported, or there is no such form.
        JobError: a form's vectors are not torch's; nothing is written.
    """
    _check_forms(forms)
    torch.set_num_threads(1)  # sums depend on it
    facts, model = read_facts(model_dir), load_model(model_dir)
    config: Any = model.config
    probes = {side: make_probe(model, side, facts.context_length) for side in SIDES}
    skipped = tensorrt.why_not(device) if TENSORRT in forms else ""
    made = [form for form in FORMS if form in forms and not (form == TENSORRT and skipped)]
    parts: dict[str, dict[Side, Part]] = {form: {} for form in made}
    with new_folder(out) as folder:
        for side, tower in towers(model).items():
            exported = export_tower(tower, side, probes[side].rows.shape[1:])
            for form in made:
                file = _write(form, exported, folder / f"{name}.{side}", largest_batch)
                near = compare(open_half(file, side), form, probes[side], file.name)
                parts[form][side] = Part(files_of(file), near)
        shutil.copyfile(vocabulary_of(model_dir), folder / VOCABULARY)
        export = Export(
            name=name,
            dim=config.projection_dim,
            context_length=facts.context_length,
            image_size=config.vision_config.image_size,
            logit_scale=float(model.logit_scale.detach().exp()),
            parameters=count_parameters(model),
            weights_sha256=facts.weights_sha256,
            tokenizer_sha256=file_sha256(folder / VOCABULARY),
            forms={form: _exported(parts[form]) for form in made}
            | ({TENSORRT: Exported(skipped=skipped)} if skipped else {}),
            checked_with={side: len(probes[side].rows) for side in SIDES} | {"batch_sizes": list(BATCH_SIZES)},
        )
        write_export(folder, export)
    if skipped:
        log.info("tensorrt was left out: %s", skipped)
    return export


def _check_forms(forms: Sequence[str]) -> None:
    unknown = [form for form in forms if form not in FORMS]
    if unknown:
        raise ConfigError(f"export: no form {unknown[0]!r}; there are {', '.join(FORMS)}")
    if TENSORRT in forms and "onnx_fp16" not in forms:
        raise ConfigError("export: tensorrt is built from onnx_fp16; name both")


def make_probe(model: ChineseCLIPModel, side: Side, context_length: int) -> Probe:
    """What the forms of a model are compared on; see `probe_rows`."""
    config: Any = model.config
    shape = input_shape(config, side, context_length)
    rows = probe_rows(side, shape, vocabulary=config.text_config.vocab_size)
    features = image_features if side == "img" else text_features
    with torch.inference_mode():
        return Probe(rows, features(model, torch.from_numpy(rows)).numpy())


def _write(form: str, exported: onnx.ModelProto, stem: Path, largest_batch: int) -> Path:
    """Write one half in one form; that of TensorRT after that in ONNX's float16."""
    if form == TENSORRT:
        file = stem.with_name(stem.name + ".fp16.trt")
        tensorrt.build_engine(stem.with_name(stem.name + ".fp16.onnx"), file, largest_batch=largest_batch)
        return file
    file = stem.with_name(f"{stem.name}.{ONNX_FORMS[form]}.onnx")
    write_model(_CONVERTERS[form](exported), file)
    return file


def open_half(file: Path, side: Side) -> Callable[[NDArray[Any]], Features]:
    """One half of a model in a form's file, as a function from rows of its input to features."""
    if file.suffix == ".trt":
        return tensorrt.Engine(file).run
    session, _ = open_session(file, device="cpu", precision="float32")
    return lambda rows: session.run([OUTPUTS[side]], {INPUTS[side]: rows})[0]


def compare(run: Callable[[NDArray[Any]], Features], form: str, probe: Probe, file_name: str) -> Likeness:
    """Compare a form with torch in batches of several sizes.

    Raises:
        JobError: it is further from torch than such a form may be.
    """
    near = worst([likeness(in_batches(run, probe.rows, size), probe.wanted) for size in BATCH_SIZES])
    if not near.within(form):
        raise JobError(
            f"{file_name}: not kept: its vectors have a cosine of {near.least_cosine:.6f} with torch's, "
            f"{LEAST_COSINE[form]:.10g} is the least for {form}; leave {form} out of the forms, and report the model's "
            "config.json"
        )
    log.info("%s: cosine with torch at least %.9f", file_name, near.least_cosine)
    return near


def _exported(parts: Mapping[Side, Part]) -> Exported:
    files: dict[str, dict[str, str]] = {
        side: {file.name: digest_file(file) for file in part.files} for side, part in parts.items()
    }
    size = sum(file.stat().st_size for part in parts.values() for file in part.files)
    differences: dict[str, dict[str, float]] = {side: part.near._asdict() for side, part in parts.items()}
    return Exported(files, size, differences, made_with=installed_versions(_PACKAGES))


def count_parameters(model: ChineseCLIPModel) -> dict[str, int]:
    """Parameters of the model and of each half with its projection."""
    halves = {
        "img": (model.vision_model, model.visual_projection),
        "txt": (model.text_model, model.text_projection),
    }
    counted = {side: sum(p.numel() for part in parts for p in part.parameters()) for side, parts in halves.items()}
    return {"all": sum(p.numel() for p in model.parameters()), **counted}
