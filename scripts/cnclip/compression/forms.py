"""All forms of a model side by side: what they take, how fast they are, how near, and what they find."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scripts.cnclip.compression.export_file import FORMS, TENSORRT, Export, read_export
from scripts.cnclip.compression.figure import forms_figure
from scripts.cnclip.compression.likeness import likeness, probe_rows
from scripts.cnclip.encoder import TORCH, ImageTextEncoder, open_model
from scripts.cnclip.evaluation.feature_files import read_split
from scripts.cnclip.model_files.folder import read_facts
from scripts.shared import atomic_files
from scripts.shared.errors import ConfigError, JobError
from scripts.shared.weight_files import WEIGHTS

_LEAST_RUNS, _ENOUGH_S = 5, 0.5
_GPU_BATCH = 128


def compare_forms(
    model_dir: Path,
    exports: Path,
    *,
    table: Path,
    timings: Path,
    figure: Path,
    evaluations: Mapping[str, Path] | None = None,
    enough_s: float = _ENOUGH_S,
    device: str = "cuda",
) -> None:
    """Compare the forms of a model.

    Args:
        model_dir: the model folder.
        exports: the folder of its exports.
        table: written: a JSON list with a row a form: size, parameters, cosine with torch, recall where it was
            measured, or why it is not there.
        timings: written: milliseconds a picture and a text by form and device. One row at a time on one thread of a
            CPU; where there is a GPU, also batches of 128 on it.
        figure: written: a PNG of both.
        evaluations: folders of evaluations by form ("torch", "onnx_int8", ...), each with `metrics.json` and
            `features/<split>/`; one dataset.
        enough_s: seconds that a measurement lasts at least.
        device: "cpu" where nothing shall be measured on a GPU, though there may be one.

    Raises:
        ConfigError: the exports are of other weights than the model folder, or damaged.
        JobError: an evaluation cannot be read.
    """
    torch.set_num_threads(1)
    export = read_export(exports)
    check_same_weights(model_dir, exports, export)
    measured = {form: _metrics(folder) for form, folder in (evaluations or {}).items()}
    rows, times = [], {}
    for form in (TORCH, *FORMS):
        if form != TORCH and form not in export.forms:
            continue
        skipped = "" if form == TORCH else export.forms[form].skipped
        row: dict[str, Any] = {"form": form, "parameters": export.parameters["all"], "skipped": skipped}
        if not skipped:
            row["size_bytes"] = (model_dir / WEIGHTS).stat().st_size if form == TORCH else export.forms[form].size_bytes
            row["differences"] = {} if form == TORCH else export.forms[form].differences
            row["recall"] = measured.get(form, {})
            row["cosine"] = _cosines(evaluations or {}, form, measured)
            times[form] = form_times(
                model_dir if form == TORCH else exports, form, export, enough_s=enough_s, device=device
            )
        rows.append(row)
    atomic_files.write_json(table, rows)
    atomic_files.write_json(timings, times)
    atomic_files.write_bytes(figure, forms_figure(export.name, rows, times))


def check_same_weights(model_dir: Path, exports: Path, export: Export) -> None:
    """Refuse exports of another model.

    Args:
        model_dir: the model folder.
        exports: the folder of exports.
        export: what it says.

    Raises:
        ConfigError: they are of other weights.
    """
    if read_facts(model_dir).weights_sha256 != export.weights_sha256:
        raise ConfigError(f"{exports}: was exported from other weights than {model_dir} holds; export the model again")


def form_times(path: Path, form: str, export: Export, *, enough_s: float, device: str) -> dict[str, dict[str, float]]:
    """Milliseconds a picture and a text by device: "cpu" one row at a time, "cuda" in batches of 128.

    Args:
        path: the model folder, or that of the exports.
        form: of the model.
        export: its sizes.
        enough_s: seconds that a measurement lasts at least.
        device: "cpu" for that alone.
    """
    found = {}
    if form != TENSORRT:
        found["cpu"] = encoding_ms(open_model(path, form, device="cpu", batch_size=1), export, 1, enough_s=enough_s)
    if device != "cpu" and torch.cuda.is_available():
        encoder = open_model(path, form, device="cuda", batch_size=_GPU_BATCH)
        if getattr(encoder, "device", "cuda") != "cpu":  # ONNX Runtime may be built without CUDA
            found["cuda"] = encoding_ms(encoder, export, _GPU_BATCH, enough_s=enough_s)
    return found


def encoding_ms(encoder: ImageTextEncoder, export: Export, n_rows: int, *, enough_s: float) -> dict[str, float]:
    """Median milliseconds that a model takes a picture (decoded) and a text (tokenised), `n_rows` at a time."""
    size = export.image_size
    pixels = np.random.default_rng(0).integers(0, 256, (n_rows, 3, size, size), np.uint8)
    # What the ids are does not change the time, so any that every vocabulary has will do.
    ids = probe_rows("txt", (export.context_length,), vocabulary=200)[-1:].repeat(n_rows, axis=0)
    return {
        "picture_ms": 1000 * _seconds(lambda: encoder.encode_pixels(pixels), enough_s) / n_rows,
        "text_ms": 1000 * _seconds(lambda: encoder.encode_tokens(ids), enough_s) / n_rows,
    }


def _seconds(run: Callable[[], object], enough_s: float) -> float:
    """Median seconds of a call, after one that is not counted."""
    run()
    taken: list[float] = []
    while len(taken) < _LEAST_RUNS or sum(taken) < enough_s:
        started = time.perf_counter()
        run()
        taken.append(time.perf_counter() - started)
    return float(np.median(taken))


def _metrics(folder: Path) -> dict[str, Any]:
    """Dataset, split and recall by direction of an evaluation."""
    path = folder / "metrics.json"
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        directions = {name: one["recall"] for name, one in said["directions"].items()}
        return {"dataset": said["dataset"], "split": said["split"], "refused": said["refused"], **directions}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JobError(f"{path}: no metrics ({error}); remove it and run again") from error


def _cosines(evaluations: Mapping[str, Path], form: str, measured: Mapping[str, Any]) -> dict[str, float]:
    """Mean cosine with torch's vectors over the evaluated pictures and texts; empty where one was not evaluated."""
    if form == TORCH or form not in evaluations or TORCH not in evaluations:
        return {}
    here, wanted = (read_split(evaluations[one] / "features" / measured[one]["split"]) for one in (form, TORCH))
    if not (np.array_equal(here.image_ids, wanted.image_ids) and np.array_equal(here.text_ids, wanted.text_ids)):
        raise JobError(f"{evaluations[form]}: was made of other data than {evaluations[TORCH]}; run both again")
    return {
        "img": likeness(here.image_features, wanted.image_features).mean_cosine,
        "txt": likeness(here.text_features, wanted.text_features).mean_cosine,
    }
