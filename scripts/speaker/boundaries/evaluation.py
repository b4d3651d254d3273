"""How well the boundaries that were found agree with those of a reference."""

import csv
import logging
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from sys import intern
from typing import Any

from scripts.shared import atomic_files
from scripts.shared.csv_errors import csv_errors
from scripts.shared.errors import JobError
from scripts.speaker.boundaries.listing import read_listing
from scripts.speaker.boundaries.matching import match
from scripts.speaker.boundaries.result import read_result

TOLERANCES = (0, 1, 5)
_EXAMPLES = 3

Line = dict[str, str]  # of the reference: what each column but the path says

logger = logging.getLogger(__name__)


def evaluate(*, result: Path, files: Path, reference: Path, evaluation: Path) -> dict[str, Any]:
    """Compare the boundaries of a result with a reference, and write `evaluation.json`.

    Args:
        result: `speaker_boundary_detection_result.json`.
        files: `files.csv` of the dataset.
        reference: CSV with the columns `relative_path,speaker`, in any order of lines. Files that the collection does
            not have are left out and reported, since a dataset may be a selection. Of further columns, such as
            `language`, a change is reported apart where it explains a false boundary.
        evaluation: the file to write.

    Returns:
        What was written.

    Raises:
        JobError: the reference cannot be read, names a file twice with different speakers, has a file without a
            speaker, or misses files of the collection; names the file, how many, and examples.
    """
    listing = read_listing(files)
    found: list[int] = read_result(result)["boundaries"]
    if found[-1] != len(listing.paths):
        raise JobError(f"{result}: is of {found[-1]} files, but {files} has {len(listing.paths)}; run again")
    lines, warnings = _read_reference(reference)
    speakers = _speakers(listing.paths, lines, reference)
    warnings += _unknown(lines, {*listing.paths, *(path for _, path in listing.missing)}, reference)
    truth = [0, *(row for row in range(1, len(speakers)) if speakers[row] != speakers[row - 1]), len(speakers)]
    ranges = Counter(name for name, _ in groupby(speakers))
    apart = sorted(name for name, count in ranges.items() if count > 1)
    if apart:
        warnings.append(
            f"{reference}: {_many(len(apart), 'speaker')} with files in places apart, {_examples(apart)}; "
            "each place counts as a speaker"
        )
    for warning in warnings:
        logger.warning("%s", warning)
    scores = score_boundaries(found, truth)
    false = [
        _place(listing.paths, index) | _changes(lines, listing.paths[index - 1], listing.paths[index])
        for index in _unmatched(found, truth)
    ]
    content = {
        "reference": str(reference),
        "files": len(speakers),
        "reference_speakers": len(ranges),
        "reference_ranges": len(truth) - 1,
        "detected_speakers": len(found) - 1,
        **scores,
        "reference_boundaries": truth,
        "missed": [_place(listing.paths, index) for index in _unmatched(truth, found)],
        "false": false,
        "warnings": warnings,
    }
    atomic_files.write_json(evaluation, content)
    _log(content, found)
    return content


def _log(content: dict[str, Any], found: Sequence[int]) -> None:
    error = content["mean_absolute_error"]
    logger.info(
        "%d boundaries in the reference, %d found; F1 %s; mean absolute error %s",
        *(len(content["reference_boundaries"]) - 2, len(found) - 2),
        ", ".join(f"{of['f1']:.3f} within {tolerance}" for tolerance, of in content["tolerances"].items()),
        "-" if error is None else f"{error:.2f} files",
    )
    for place in content["false"]:
        if "changes" in place:
            words = ", ".join(f"{column} {before} to {after}" for column, (before, after) in place["changes"].items())
            logger.info("the false boundary before %s is where one speaker changes: %s", place["first_after"], words)


def score_boundaries(found: Sequence[int], truth: Sequence[int]) -> dict[str, Any]:
    """Precision, recall and F1 at each tolerance, and the mean absolute error.

    Args:
        found: indices with both ends, ascending: [0, ..., n].
        truth: likewise.

    Returns:
        `tolerances`: by number of files (as text) `matched`, `precision`, `recall` and `f1`; a boundary is matched with
        at most one other. `mean_absolute_error`: files from a true boundary to the nearest found one, missed ones
        included, where the ends of the collection count as found; None where there is no true boundary.
    """
    n_found, n_truth = len(found) - 2, len(truth) - 2
    tolerances = {}
    for tolerance in TOLERANCES:
        matched = len(match(found[1:-1], truth[1:-1], tolerance))
        tolerances[str(tolerance)] = {
            "matched": matched,
            "precision": _part(matched, n_found, n_truth),
            "recall": _part(matched, n_truth, n_found),
            "f1": _part(2 * matched, n_found + n_truth, 0),
        }
    errors = [_nearest(found, index) for index in truth[1:-1]]
    return {"tolerances": tolerances, "mean_absolute_error": sum(errors) / len(errors) if errors else None}


def _part(count: int, of: int, others: int) -> float:
    """Nothing found where nothing was to be found is right."""
    return count / of if of else float(others == 0)


def _nearest(indices: Sequence[int], index: int) -> int:
    place = bisect_left(indices, index)
    return min(abs(index - other) for other in indices[max(0, place - 1) : place + 1])


def _unmatched(these: Sequence[int], others: Sequence[int]) -> Iterator[int]:
    matched = {one for one, _ in match(these[1:-1], others[1:-1], max(TOLERANCES))}
    return (index for index in these[1:-1] if index not in matched)


def _changes(lines: Mapping[str, Line], before: str, after: str) -> dict[str, dict[str, list[str]]]:
    """What else than the speaker changes from a file to the next, by the reference's further columns."""
    changed = {
        column: [lines[before][column], value]
        for column, value in lines[after].items()
        if column != "speaker" and value != lines[before][column]
    }
    return {"changes": changed} if changed else {}


def _place(paths: list[str], index: int) -> dict[str, Any]:
    return {"index": index, "last_before": paths[index - 1], "first_after": paths[index]}


def _read_reference(path: Path) -> tuple[dict[str, Line], list[str]]:
    """The lines by relative path, and what the user should know."""
    found: dict[str, Line] = {}
    twice: list[str] = []
    asked = csv_errors(path, JobError, "does `reference` name the file?")
    with asked, path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.DictReader(file)
        columns = lines.fieldnames or []
        if not {"relative_path", "speaker"} <= set(columns):
            raise JobError(f"{path}: its first line must be relative_path,speaker")
        kept = [column for column in columns if column and column != "relative_path"]
        for line in lines:
            name, values = line["relative_path"], {column: intern((line[column] or "").strip()) for column in kept}
            speaker = values["speaker"]
            if not name or not speaker:
                raise JobError(f"{path}: line {lines.line_num}: no {'speaker' if name else 'relative_path'}")
            if name not in found:
                found[name] = values
            elif found[name]["speaker"] == speaker:
                twice.append(name)
            else:
                raise JobError(
                    f"{path}: line {lines.line_num}: {name} is by {speaker}, but by {found[name]['speaker']} "
                    "further up; take one of the lines out"
                )
    return found, [f"{path}: {_many(len(twice), 'line')} repeated, {_examples(twice)}"] if twice else []


def _speakers(paths: list[str], lines: Mapping[str, Line], reference: Path) -> list[str]:
    """Speaker of each row."""
    missed = [path for path in paths if path not in lines]
    if missed:
        known = f"; it names files such as {next(iter(lines))}" if lines else ""
        raise JobError(
            f"{reference}: misses {len(missed):,} of the collection's {len(paths):,} files, {_examples(missed)}{known};"
            " add a line relative_path,speaker for each"
        )
    return [lines[path]["speaker"] for path in paths]


def _unknown(lines: Mapping[str, Line], known: set[str], reference: Path) -> list[str]:
    unknown = [path for path in lines if path not in known]
    if not unknown:
        return []
    return [f"{reference}: {_many(len(unknown), 'file')} not in the collection, {_examples(unknown)}: left out"]


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _examples(names: Sequence[str]) -> str:
    return f"such as {', '.join(names[:_EXAMPLES])}"
