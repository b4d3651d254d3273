"""A package loaded again from its archive: checksums, every form against the model, and what it measured."""

import json
import logging
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from numpy.typing import NDArray

from scripts.cnclip.compression.archive import unpack
from scripts.cnclip.compression.export import Probe, compare, make_probe, open_half
from scripts.cnclip.compression.export_file import Export, form_files, read_export
from scripts.cnclip.compression.halves import SIDES, Side
from scripts.cnclip.compression.likeness import likeness
from scripts.cnclip.compression.onnx_file import EXTRA
from scripts.cnclip.compression.package import METRICS, ONNX, SUMS
from scripts.cnclip.data.picture_list import read_pictures
from scripts.cnclip.encoder import TORCH, ImageTextEncoder, open_model
from scripts.cnclip.evaluation.annotation import read_annotation
from scripts.cnclip.evaluation.decoding import PictureTask
from scripts.cnclip.evaluation.feature_files import SplitFeatures, read_split
from scripts.cnclip.evaluation.features import encode_pictures, encode_texts
from scripts.cnclip.evaluation.prediction_files import FIELDS
from scripts.cnclip.evaluation.recall import MEASURES, recalls
from scripts.cnclip.evaluation.retrieval import retrieve
from scripts.cnclip.model_files.folder import load_model, read_facts
from scripts.shared import atomic_files
from scripts.shared.errors import JobError
from scripts.shared.fingerprints import file_sha256

log = logging.getLogger(__name__)

MOST_ENCODED = 512
# Between vectors of one form on one machine nothing differs; on another machine, so much may.
_LARGEST_DIFFERENCE = {TORCH: 1e-5, "onnx_fp32": 1e-5, "onnx_fp16": 5e-3, "onnx_int8": 2e-2}
_RECALL_POINTS = 0.5  # by which equal scores may fall the other way, where vectors do differ
_SUM_LINE = re.compile(r"([0-9a-f]{64})  ([^\n]+)")


@dataclass(frozen=True)
class Evaluated:
    """Where an evaluation that a package tells of can be done again.

    Attributes:
        dataset: its name.
        form: of the model.
        tsv: the pictures.
        pictures: the list of the good ones.
        texts: the texts of the split.
        features: the folder of its features.
    """

    dataset: str
    form: str
    tsv: Path
    pictures: Path
    texts: Path
    features: Path


def verify_package(
    package: Path,
    report: Path,
    *,
    evaluated: Sequence[Evaluated] = (),
    most_encoded: int = MOST_ENCODED,
) -> None:
    """Load a package again and do again what it tells of.

    Args:
        package: the `.tar.gz`; it may be anybody's.
        report: JSON, written when all holds.
        evaluated: data of its evaluations; those that are not named are left unchecked, and the report says so.
        most_encoded: pictures, and texts, that are encoded again of each evaluation, spread over all; the others'
            vectors are those on record.

    Raises:
        JobError: the package is damaged or hostile, a form's vectors are not the model's, or vectors or recall are not
            those on record.
        ConfigError: a file in it is not what it should be.
    """
    torch.set_num_threads(1)
    # Beside the report: a temporary folder of the system may be too small for it.
    report.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=report.parent, prefix=atomic_files.TEMPORARY_PREFIX) as temporary:
        folder = unpack(package, Path(temporary))
        n_files = check_sums(folder)
        export = read_export(folder / ONNX)
        model, context_length = load_model(folder), read_facts(folder).context_length
        probes = {side: make_probe(model, side, context_length) for side in SIDES}
        forms = {form: _check_form(folder / ONNX, export, form, probes) for form in export.forms}
        metrics = _metrics(folder / METRICS)
        again = [_evaluate_again(folder, one, metrics, most_encoded) for one in evaluated]
    done = {(one.dataset, one.form) for one in evaluated}
    left = [f"{dataset}: {form}" for dataset, by in metrics.items() for form in by if (dataset, form) not in done]
    atomic_files.write_json(
        report,
        {
            "package": package.name,
            "sha256": file_sha256(package),
            "files": n_files,
            "forms": forms,
            "evaluated_again": again,
            "not_evaluated_again": left,
        },
    )
    log.info("%s: %d files, forms %s, %d evaluations", package.name, n_files, ", ".join([TORCH, *forms]), len(again))


def check_sums(folder: Path) -> int:
    """Compare all files of an unpacked package with its checksums; how many there are.

    Raises:
        JobError: one is missing, another, or not named.
    """
    try:
        text = (folder / SUMS).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise JobError(f"{folder.name}/{SUMS}: cannot be read ({error}); make the package again") from error
    named = {}
    for line in text.splitlines():
        match = _SUM_LINE.fullmatch(line)
        if not match:
            raise JobError(f"{folder.name}/{SUMS}: {line[:80]!r} is no line of sha256sum")
        named[match[2]] = match[1]
    there = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    del there[SUMS]
    if odd := sorted(named.keys() ^ there.keys()):
        fault = "is missing" if odd[0] in named else "has no checksum"
        raise JobError(f"{folder.name}/{odd[0]}: {fault}; make the package again")
    for name, path in there.items():
        if file_sha256(path) != named[name]:
            raise JobError(f"{folder.name}/{name}: is not the file that {SUMS} tells of; copy the package again")
    return len(there)


def _check_form(folder: Path, export: Export, form: str, probes: Mapping[Side, Probe]) -> dict[str, dict[str, float]]:
    """Compare a form in the package with the model in the package, on made-up rows."""
    found = {}
    for side, file in form_files(folder, export, form).items():
        _refuse_other_places(file)
        found[str(side)] = compare(open_half(file, side), form, probes[side], file.name)._asdict()
    return found


def _metrics(path: Path) -> dict[str, dict[str, Any]]:
    try:
        said: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        for by in said.values():
            for measured in by.values():
                for direction, found in measured["directions"].items():
                    FIELDS[direction], [float(found["recall"][name]) for name in MEASURES]
        return said
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise JobError(f"{path.name}: does not hold metrics by dataset and form ({error})") from error


def _refuse_other_places(file: Path) -> None:
    """Refuse an ONNX file that would read its weights from elsewhere."""
    try:
        model = onnx.load(file, load_external_data=False)
    except DecodeError as error:
        raise JobError(f"{file.name}: is no ONNX file ({error})") from error
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location" and entry.value != file.name + EXTRA:
                raise JobError(f"{file.name}: {tensor.name} lies at {entry.value!r}, outside the package")


def _evaluate_again(
    folder: Path, one: Evaluated, metrics: Mapping[str, Mapping[str, Any]], most_encoded: int
) -> dict[str, Any]:
    where = f"{folder.name}: {one.form} on {one.dataset}"
    on_record = metrics.get(one.dataset, {}).get(one.form)
    if on_record is None:
        raise JobError(f"{where}: {METRICS} in the package does not tell of it")
    encoder = open_model(folder if one.form == TORCH else folder / ONNX, one.form, device="cpu")
    recorded = read_split(one.features)
    again, difference, n_rows = _encoded_again(encoder, one, recorded, most_encoded)
    limit = _LARGEST_DIFFERENCE[one.form]
    if not difference <= limit:
        raise JobError(f"{where}: its vectors differ by {difference:.1e} from those on record, {limit:.0e} is the most")
    annotation = read_annotation(one.texts)
    found: dict[str, dict[str, float]] = {}
    for direction, said in on_record["directions"].items():
        found[direction] = recalls(retrieve(again, annotation, direction).hits)
        apart = max(abs(found[direction][key] - said["recall"][key]) for key in found[direction])
        if apart > (_RECALL_POINTS if difference else 0):
            raise JobError(f"{where}: {direction} recall is {found[direction]}, on record is {said['recall']}")
    return {
        "dataset": one.dataset,
        "form": one.form,
        "encoded_again": n_rows,
        "max_difference": difference,
        "recall": found,
    }


def _encoded_again(
    encoder: ImageTextEncoder, one: Evaluated, recorded: SplitFeatures, most: int
) -> tuple[SplitFeatures, float, dict[str, int]]:
    """The features on record with some rows encoded again; the largest difference; how many rows."""
    listed = read_pictures(one.pictures)
    annotation = read_annotation(one.texts)
    places = {int(number): at for at, number in enumerate(listed.image_ids)}
    images, texts = np.array(recorded.image_features), np.array(recorded.text_features)
    image_rows, text_rows = _spread(len(images), most), _spread(len(texts), most)
    tasks = []
    for row, at in enumerate(places[int(number)] for number in recorded.image_ids[image_rows]):
        offset, length, number = (int(column[at]) for column in (listed.offsets, listed.lengths, listed.image_ids))
        tasks.append(PictureTask(row, one.tsv, encoder.image_size, offset, length, number))
    vectors, failed, _ = encode_pictures(encoder, tasks, workers=0)
    if failed:
        raise JobError(f"{one.tsv}: {next(iter(failed.values()))}; it was changed since the evaluation")
    wording = dict(zip(annotation.query_ids, annotation.texts, strict=True))
    words = encode_texts(encoder, [wording[int(number)] for number in recorded.text_ids[text_rows]])
    near = [likeness(vectors, images[image_rows]), likeness(words, texts[text_rows])]
    images[image_rows], texts[text_rows] = vectors, words
    same = np.array_equal(images, recorded.image_features) and np.array_equal(texts, recorded.text_features)
    difference = 0.0 if same else float(np.max([each.max_difference for each in near]))
    counts = {"pictures": len(image_rows), "texts": len(text_rows)}
    return recorded._replace(image_features=images, text_features=texts), difference, counts


def _spread(n: int, most: int) -> NDArray[np.int64]:
    """At most so many of n rows, spread evenly."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.int64)) if n else np.zeros(0, np.int64)
