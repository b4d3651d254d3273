"""Towers for phones and browsers: the INT8 export of a model with all that using it takes, in a folder of its own."""

import json
import shutil
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import onnx

from scripts.cnclip.compression.export_file import VOCABULARY as VOCABULARY_FILE
from scripts.cnclip.compression.export_file import form_files, form_identity, read_export
from scripts.cnclip.compression.forms import check_same_weights
from scripts.cnclip.compression.halves import INPUTS, OUTPUTS, SIDES
from scripts.cnclip.compression.mobile_manifest import (
    CHARACTERS,
    VOCABULARY,
    Manifest,
    MobileFile,
    preprocessing,
    write_manifest,
)
from scripts.cnclip.compression.onnx_file import files_of
from scripts.cnclip.encoder import TORCH, open_model
from scripts.cnclip.tokens import character_classes
from scripts.shared.errors import JobError
from scripts.shared.fingerprints import file_sha256
from scripts.shared.new_folder import new_folder

FORM = "onnx_int8"
CHARACTERS_FILE = "characters.json"
# Those that the tests have run in a browser, with onnxruntime-web's WebAssembly backend.
BROWSER_OPERATORS = frozenset(
    {
        *("Add", "Cast", "Concat", "ConvInteger", "DequantizeLinear", "DynamicQuantizeLinear", "Equal", "Expand"),
        *("Gather", "Gelu", "LayerNormalization", "MatMul", "MatMulInteger", "Mul", "Not", "Reshape", "Shape"),
        *("Sigmoid", "Softmax", "Transpose", "Unsqueeze", "Where"),
    }
)


def make_mobile(model_dir: Path, exports: Path, out: Path) -> Manifest:
    """Make the folder; it appears whole. Equal input gives equal bytes with one version of Python.

    Args:
        model_dir: the model folder.
        exports: the folder of its exports.
        out: the folder to write: both INT8 towers, `vocab.txt`, `characters.json`, `manifest.json`.

    Returns:
        What `manifest.json` says.

    Raises:
        ConfigError: the exports are damaged, have no INT8 form, or are of other weights than the model folder.
        JobError: a tower uses what no browser is known to have, or is too large for one.
    """
    export = read_export(exports)
    check_same_weights(model_dir, exports, export)
    towers = form_files(exports, export, FORM)
    torch_model = open_model(model_dir, TORCH, device="cpu")
    graphs = [read_graph(file) for file in towers.values()]
    with new_folder(out) as folder:
        copied = {VOCABULARY: exports / VOCABULARY_FILE} | {str(side): file for side, file in towers.items()}
        for file in copied.values():
            shutil.copyfile(file, folder / file.name)
        (folder / CHARACTERS_FILE).write_bytes(characters_json())
        names = {key: file.name for key, file in copied.items()} | {CHARACTERS: CHARACTERS_FILE}
        manifest = Manifest(
            name=export.name,
            form=FORM,
            identity=form_identity(export, FORM),
            relatives={TORCH: torch_model.identity}
            | {
                form: form_identity(export, form)
                for form, made in export.forms.items()
                if form != FORM and not made.skipped
            },
            weights_sha256=export.weights_sha256,
            tokenizer_identity=export.tokenizer_sha256,
            dim=export.dim,
            context_length=export.context_length,
            image_size=export.image_size,
            logit_scale=export.logit_scale,
            opset=max(opset for graph in graphs for opset in opsets(graph)),
            operators=tuple(sorted({operator for graph in graphs for operator in operators(graph)})),
            files={key: _described(folder / file) for key, file in names.items()},
            inputs={side: INPUTS[side] for side in SIDES},
            outputs={side: OUTPUTS[side] for side in SIDES},
            preprocessing=preprocessing(export.context_length, export.image_size),
        )
        write_manifest(folder, manifest)
    return manifest


@cache
def characters_json() -> bytes:
    """`characters.json`: the ranges of `tokens.character_classes`, and the version of Unicode that they are of."""
    return json.dumps({"unicode": unicodedata.unidata_version, **character_classes()}, separators=(",", ":")).encode()


def read_graph(file: Path) -> onnx.ModelProto:
    """Read a tower and refuse what a browser could not run.

    Raises:
        JobError: its weights do not lie in one file, or it uses an operator that was never run in a browser.
    """
    if len(files_of(file)) > 1:
        raise JobError(
            f"{file}: its weights are above 2 GB and lie beside it: too large for a phone; take a smaller model"
        )
    graph = onnx.load(file)
    unknown = sorted(operators(graph) - BROWSER_OPERATORS)
    if unknown:
        raise JobError(
            f"{file}: uses {', '.join(unknown)}, which was never run in a browser; try it in tests/integration/"
            "test_search_mobile.py and add it to BROWSER_OPERATORS in scripts/cnclip/compression/mobile.py"
        )
    return graph


def operators(graph: onnx.ModelProto) -> set[str]:
    """The operators that a model uses, those of other domains than ONNX's own with their domain."""
    return {f"{node.domain}.{node.op_type}".removeprefix(".") for node in graph.graph.node}


def opsets(graph: onnx.ModelProto) -> Iterable[int]:
    """Versions of ONNX's own operators."""
    return (entry.version for entry in graph.opset_import if entry.domain in ("", "ai.onnx"))


def _described(file: Path) -> MobileFile:
    return MobileFile(file.name, file.stat().st_size, file_sha256(file))
