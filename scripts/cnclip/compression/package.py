"""Packages: one `.tar.gz` with a model in Hugging Face's layout, its ONNX files, what it measured, and checksums.

    <name>/config.json, model.safetensors, vocab.txt, tokenizer_config.json, preprocessor_config.json, polymill.json
    <name>/onnx/<name>.img.fp32.onnx, ..., vocab.txt, export.json
    <name>/metrics.json, MODEL_CARD.md, SHA256SUMS

No optimiser state, no engines of TensorRT (they belong to one GPU), and nothing of the data: no captions, no pictures.
"""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, BinaryIO

from scripts.cnclip.compression.export_file import EXPORT, ONNX_FORMS, VOCABULARY, form_files, read_export
from scripts.cnclip.compression.model_card import model_card
from scripts.cnclip.compression.onnx_file import files_of
from scripts.cnclip.model_files.folder import CONFIG, FACTS, read_facts
from scripts.shared import atomic_files
from scripts.shared.errors import ConfigError, JobError
from scripts.shared.fingerprints import file_sha256
from scripts.shared.weight_files import WEIGHTS

ONNX, METRICS, CARD, SUMS = "onnx", "metrics.json", "MODEL_CARD.md", "SHA256SUMS"
_MODEL_FILES = (CONFIG, WEIGHTS, VOCABULARY, "tokenizer_config.json", "preprocessor_config.json", FACTS)
# Of an evaluation, what differs from run to run, and what belongs to the data's owners.
_LEFT_OUT = ("latency", "examples")
_LEVEL = 1  # weights hardly shrink, however long one tries
_MODE = 0o644


def make_package(
    model_dir: Path,
    exports: Path,
    out: Path,
    *,
    name: str,
    evaluations: Sequence[Path] = (),
) -> None:
    """Pack a model; equal input gives equal bytes.

    Args:
        model_dir: a model folder.
        exports: the folder of its exports, in any forms.
        out: the `.tar.gz`.
        name: of the model, which is that of the folder inside.
        evaluations: `metrics.json` files of the model and its forms.

    Raises:
        ConfigError: the exports are of other weights, or a file of the model is missing.
        JobError: an evaluation cannot be read, or is of other weights.
    """
    export, facts = read_export(exports), read_facts(model_dir)
    if facts.weights_sha256 != export.weights_sha256:
        raise ConfigError(f"{exports}: was exported from other weights than {model_dir} holds; export the model again")
    metrics = read_metrics(evaluations)
    forms = [form for form in ONNX_FORMS if form in export.forms]
    kept = replace(export, forms={form: export.forms[form] for form in forms})
    content: dict[str, Path | bytes] = {file: model_dir / file for file in _MODEL_FILES}
    missing = [file for file in _MODEL_FILES if not (model_dir / file).is_file()]
    if missing:
        raise ConfigError(f"{model_dir}: has no {missing[0]}; make the model folder again")
    for form in forms:
        for main in form_files(exports, export, form).values():
            content |= {f"{ONNX}/{file.name}": file for file in files_of(main)}
    content |= {
        f"{ONNX}/{VOCABULARY}": exports / VOCABULARY,
        f"{ONNX}/{EXPORT}": _json(asdict(kept)),
        METRICS: _json(metrics),
        CARD: model_card(name, facts, kept, metrics).encode(),
    }
    content[SUMS] = sums(content)
    with atomic_files.open_new(out) as file:
        write_archive(file, name, content)


def read_metrics(files: Sequence[Path]) -> dict[str, dict[str, dict[str, Any]]]:
    """The evaluations of a model: by dataset, then by form, without what does not belong in a package.

    Raises:
        JobError: one cannot be read, or two are of one dataset and form.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for path in files:
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            forms = found.setdefault(said["dataset"], {})
            form = said["form"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise JobError(f"{path}: no metrics ({error}); remove it and run again") from error
        if form in forms:
            raise JobError(f"{path}: a second evaluation of {form} on {said['dataset']}")
        forms[form] = {key: value for key, value in said.items() if key not in _LEFT_OUT}
    return found


def sums(content: Mapping[str, Path | bytes]) -> bytes:
    """Lines as `sha256sum` writes and checks them, by name."""
    lines = []
    for file, source in sorted(content.items()):
        lines.append(f"{_sha256(source)}  {file}\n")
    return "".join(lines).encode()


def _sha256(source: Path | bytes) -> str:
    if isinstance(source, Path):
        return file_sha256(source)
    return hashlib.sha256(source).hexdigest()


def write_archive(file: BinaryIO, name: str, content: Mapping[str, Path | bytes]) -> None:
    """Write a `.tar.gz` whose bytes tell of names and content alone: sorted, of nobody, of no time.

    Args:
        file: where to.
        name: of the one folder inside.
        content: file or bytes by path below it.
    """
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for path, source in sorted(content.items()):
            entry = tarfile.TarInfo(f"{name}/{path}")
            entry.mode = _MODE
            if isinstance(source, bytes):
                entry.size = len(source)
                archive.addfile(entry, io.BytesIO(source))
                continue
            entry.size = source.stat().st_size
            with source.open("rb") as opened:
                archive.addfile(entry, opened)


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
