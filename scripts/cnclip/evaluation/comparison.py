"""All models on all sets in one table: recall with intervals, differences to a baseline, chance, sizes, times."""

import csv
import io
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from scripts.cnclip.evaluation.bootstrap import hit_values, mean_interval
from scripts.cnclip.evaluation.evaluate import HITS, encoding_time
from scripts.cnclip.evaluation.prediction_files import DIRECTIONS, Direction
from scripts.cnclip.evaluation.published import published_rows
from scripts.cnclip.evaluation.recall import MEASURES
from scripts.shared import atomic_files
from scripts.shared.errors import JobError

MEASURED, PUBLISHED = "measured", "published"
TRAINED_ON, ZERO_SHOT = "trained on", "zero-shot"
_BESIDES = (*(f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high", "_chance")),)
_DIFFERENCES = tuple(f"{name}_minus_baseline{end}" for name in MEASURES for end in ("", "_low", "_high"))
_GAINED = ("top1_minus_baseline", "top1_minus_baseline_low", "top1_minus_baseline_high")
COLUMNS = (
    *("source", "dataset", "split", "direction", "language", "model", "seen", "n_queries", "n_gallery"),
    *_BESIDES,
    *("baseline", *_DIFFERENCES),
    *("parameters", "megabytes", "picture_ms", "text_ms", "refused", "note"),
)

log = logging.getLogger(__name__)

Row = dict[str, Any]


@dataclass(frozen=True)
class _Measured:
    """One `metrics.json` with what lies beside it."""

    path: Path
    said: Mapping[str, Any]
    hits: Mapping[str, NDArray[Any]]


def compare(
    *,
    metrics: Sequence[Path],
    zeroshot: Sequence[Path],
    baseline: str,
    trained_on: Mapping[str, Sequence[str]],
    seed: int,
    table: Path,
    csv_table: Path,
) -> dict[str, Any]:
    """Write the table of all models.

    Args:
        metrics: `metrics.json` of `evaluate`, in the order of the table.
        zeroshot: metrics of `zeroshot.zeroshot`, likewise.
        baseline: the model that the others are compared with; "" for the first.
        trained_on: by model, names of the data sets that it has seen in training.
        seed: of the intervals of the differences.
        table: the whole as JSON: `retrieval` and `zeroshot` rows, and `baseline`.
        csv_table: the retrieval rows, a line each.

    Returns:
        What `table` holds.

    Raises:
        JobError: measurements cannot be read.
    """
    measured = [_read(path) for path in metrics]
    labelled = [_read_labelled(path) for path in zeroshot]
    names = list(dict.fromkeys([*(one.said["model"] for one in measured), *(one["model"] for one in labelled)]))
    chosen = baseline or (names[0] if names else "")
    if names and chosen not in names:
        log.warning("the baseline %s is not among what is compared (%s): no differences", chosen, ", ".join(names))
    rows = list(_retrieval_rows(measured, chosen, trained_on, seed))
    content = {
        "baseline": chosen,
        "retrieval": rows,
        "zeroshot": list(_zeroshot_rows(labelled, chosen, trained_on, seed)),
    }
    atomic_files.write_json(table, content)
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(row.get(key)) for key in COLUMNS} for row in rows)
    atomic_files.write_text(csv_table, text.getvalue())
    return content


def _read(path: Path) -> _Measured:
    hits_path = path.with_name(HITS)
    try:
        said = json.loads(path.read_bytes())
        with np.load(hits_path, allow_pickle=False) as arrays:
            return _Measured(path, said, {name: arrays[name] for name in arrays.files})
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise JobError(f"{path}: it or {HITS} beside it cannot be read ({error}); remove both and run again") from error


def _read_labelled(path: Path) -> Mapping[str, Any]:
    try:
        said: Mapping[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise JobError(f"{path}: cannot be read ({error}); remove it and run again") from error
    return said


def _retrieval_rows(
    measured: Sequence[_Measured], baseline: str, trained_on: Mapping[str, Sequence[str]], seed: int
) -> Iterator[Row]:
    for dataset in dict.fromkeys(one.said["dataset"] for one in measured):
        here = [one for one in measured if one.said["dataset"] == dataset]
        base = next((one for one in here if one.said["model"] == baseline), None)
        for one in here:
            about = _about(one, trained_on)
            if one.said["refused"]:
                yield about | {"direction": "", "refused": one.said["refused"]}
            for direction, said in _in_order(one.said["directions"]):
                yield about | {"direction": direction} | _values(said) | _differences(one, base, direction, seed)
            for language, by_direction in one.said["languages"].items():
                for direction, said in _in_order(by_direction):
                    yield about | {"direction": direction, "language": language} | _values(said)
        for published in published_rows(dataset):
            # Told apart in each cell, since they were made elsewhere, on weights and pictures that we do not have.
            note = published["source"]
            yield {"dataset": dataset, **published, "source": PUBLISHED, "note": note, "mean_recall": _mean(published)}


def _in_order(by_direction: Mapping[Direction, Any]) -> Iterator[tuple[Direction, Any]]:
    yield from ((direction, by_direction[direction]) for direction in DIRECTIONS if direction in by_direction)


def _about(one: _Measured, trained_on: Mapping[str, Sequence[str]]) -> Row:
    said = one.said
    size = said["size"]
    return {
        "source": MEASURED,
        "dataset": said["dataset"],
        "split": said["split"],
        "language": "",
        "model": said["model"],
        "seen": TRAINED_ON if said["dataset"] in trained_on.get(said["model"], ()) else ZERO_SHOT,
        "parameters": size["parameters"],
        "megabytes": size["bytes"] / 1e6,
        **encoding_time(one.path.parent / "features" / said["split"]),
        "note": "; ".join(said["notes"]),
        "refused": "",
    }


def _values(said: Mapping[str, Any]) -> Row:
    row: Row = {"n_queries": said["n_queries"], "n_gallery": said["n_gallery"]}
    for name in MEASURES:
        low, high = said["interval"][name]
        row |= {name: said["recall"][name], f"{name}_low": low, f"{name}_high": high}
        row[f"{name}_chance"] = said["chance"][name]
    return row


def _differences(one: _Measured, base: _Measured | None, direction: Direction, seed: int) -> Row:
    """What a model answers better than the baseline, the same queries side by side."""
    if base is None or base is one or f"{direction}_hits" not in base.hits:
        return {}
    ours, theirs = one.hits[f"{direction}_ids"], base.hits[f"{direction}_ids"]
    if not np.array_equal(ours, theirs):
        log.warning("%s and %s were asked other queries: no difference", one.path, base.path)
        return {}
    gained = hit_values(one.hits[f"{direction}_hits"]) - hit_values(base.hits[f"{direction}_hits"])
    intervals = mean_interval(gained, one.hits[f"{direction}_groups"].tolist(), seed=seed)
    row: Row = {"baseline": base.said["model"]}
    for name, at in zip(MEASURES, intervals, strict=True):
        row |= {f"{name}_minus_baseline{end}": value for end, value in zip(("", "_low", "_high"), at, strict=True)}
    return row


def _zeroshot_rows(
    labelled: Sequence[Mapping[str, Any]], baseline: str, trained_on: Mapping[str, Sequence[str]], seed: int
) -> Iterator[Row]:
    for dataset in dict.fromkeys(one["dataset"] for one in labelled):
        here = [one for one in labelled if one["dataset"] == dataset]
        base = next((one for one in here if one["model"] == baseline), None)
        for one in here:
            row = {key: one[key] for key in ("dataset", "model", "n_pictures", "n_classes", "templates", "chance")}
            row |= {
                "source": MEASURED,
                "seen": TRAINED_ON if dataset in trained_on.get(one["model"], ()) else ZERO_SHOT,
                "refused": one["refused"] or "",
                "n_failed": len(one["failed"]),
            }
            if not one["refused"]:
                low, high = one["interval"]
                row |= {"top1": one["top1"], "top1_low": low, "top1_high": high}
                row |= _gained(one, base, seed)
            yield row


def _gained(one: Mapping[str, Any], base: Mapping[str, Any] | None, seed: int) -> Row:
    if base is None or base is one or base["refused"] or len(base["correct"]) != len(one["correct"]):
        return {}
    ours, theirs = (np.array([mark == "1" for mark in said["correct"]], np.float64) for said in (one, base))
    (interval,) = mean_interval(100.0 * (ours - theirs)[:, None], range(len(ours)), seed=seed)
    return {"baseline": base["model"], **dict(zip(_GAINED, interval, strict=True))}


def _mean(row: Row) -> float:
    values = [row[name] for name in ("r1", "r5", "r10")]
    return float(sum(values) / len(values))


def _cell(value: Any) -> Any:
    return "" if value is None else f"{value:.2f}" if isinstance(value, float) else value
