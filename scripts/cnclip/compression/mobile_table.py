"""What the towers for phones cost and find beside those in 32 bits: a table, times apart from it, and a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.cnclip.compression.export_file import Export, read_export
from scripts.cnclip.compression.forms import form_times
from scripts.cnclip.compression.halves import SIDES
from scripts.cnclip.compression.mobile import FORM
from scripts.cnclip.compression.mobile_figure import mobile_figure
from scripts.cnclip.evaluation.annotation import Annotation, read_annotation
from scripts.cnclip.evaluation.evaluate import measures
from scripts.cnclip.evaluation.feature_files import SplitFeatures, read_split
from scripts.cnclip.evaluation.gates import RefusedModelError
from scripts.cnclip.evaluation.retrieval import retrieve
from scripts.shared import atomic_files
from scripts.shared.errors import JobError

WHOLE = "onnx_fp32"
FORMS = (WHOLE, FORM)
MIXED = "int8 texts, fp32 pictures"  # a phone that asks an index made by the whole model
_ENOUGH_S = 0.5


def compare_mobile(
    exports: Path,
    *,
    table: Path,
    timings: Path,
    figure: Path,
    features: Mapping[str, Path],
    texts: Sequence[Path],
    seed: int,
    enough_s: float = _ENOUGH_S,
) -> None:
    """Compare INT8 with 32 bits, both in ONNX Runtime.

    Args:
        exports: the folder of a model's exports.
        table: written: a JSON list of three rows, `onnx_fp32`, `onnx_int8` and the texts of one with the pictures of
            the other: bytes of each tower, and recall of texts that ask for pictures with its interval and chance.
        timings: written: milliseconds a text and a picture by form, one at a time on one core.
        figure: written: a PNG of both.
        features: folders of the features of both forms on one split; empty where there is no data to measure on.
        texts: the file of that split's texts; none where there is no data.
        seed: of the intervals.
        enough_s: seconds that a measurement of time lasts at least.

    Raises:
        ConfigError: the exports are damaged, or lack one of the forms.
        JobError: the features are damaged, or of other data.
    """
    export = read_export(exports)
    made = {form: read_split(folder) for form, folder in features.items()}
    annotation = read_annotation(texts[0]) if made else Annotation((), ())
    if made:
        made[MIXED] = mixed(made[FORM], made[WHOLE])
    rows = [
        {"form": form, "bytes": _sizes(exports, export, form), "t2i": _recall(made.get(form), annotation, seed)}
        for form in (*FORMS, MIXED)
    ]
    times = {form: form_times(exports, form, export, enough_s=enough_s, device="cpu")["cpu"] for form in FORMS}
    atomic_files.write_json(table, rows)
    atomic_files.write_json(timings, times)
    atomic_files.write_bytes(figure, mobile_figure(export.name, rows, times))


def mixed(texts: SplitFeatures, pictures: SplitFeatures) -> SplitFeatures:
    """The texts of one form with the pictures of another.

    Raises:
        JobError: they are of other data.
    """
    if texts.facts["texts_digest"] != pictures.facts["texts_digest"] or (
        texts.facts["pictures_digest"] != pictures.facts["pictures_digest"]
    ):
        raise JobError(f"the features of {FORM} and {WHOLE} were made of different data; remove both and run again")
    return texts._replace(image_ids=pictures.image_ids, image_features=pictures.image_features)


def _sizes(exports: Path, export: Export, form: str) -> dict[str, int]:
    """Bytes of each tower on the phone; those of the pictures' stay with the index where forms are mixed."""
    if form == MIXED:
        return {"txt": _sizes(exports, export, FORM)["txt"]}
    return {side: sum((exports / name).stat().st_size for name in export.forms[form].files[side]) for side in SIDES}


def _recall(made: SplitFeatures | None, annotation: Annotation, seed: int) -> dict[str, Any]:
    """Recall of texts that ask for pictures; a sentence where it is refused, nothing where answers are not known."""
    if made is None or annotation.is_hidden:
        return {}
    try:
        found: dict[str, Any] = measures({"t2i": retrieve(made, annotation, "t2i")}, made, seed)["t2i"]
    except RefusedModelError as error:
        return {"refused": str(error)}
    return found
