"""The search for boundaries as a job: a dataset's embeddings in, the result file out."""

import csv
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from scripts.shared import atomic_files
from scripts.shared.errors import JobError
from scripts.shared.index_files import counts
from scripts.speaker.array_files import read_array
from scripts.speaker.boundaries import changepoint, cosine
from scripts.speaker.boundaries.found import Found
from scripts.speaker.boundaries.listing import Listing, read_listing
from scripts.speaker.boundaries.options import BoundaryOptions
from scripts.speaker.boundaries.result import AGREE_WITHIN, compare, result_content, speaker_names

_LEAST_CERTAIN = 5

logger = logging.getLogger(__name__)


def find_dataset_boundaries(
    *, embeddings: Path, files: Path, result: Path, options: BoundaryOptions, failures: Path | None = None
) -> dict[str, Any]:
    """Find where the speakers of a dataset change, and write the result file.

    Args:
        embeddings: `embeddings.npy`, (n, D) float32.
        files: `files.csv` of the dataset.
        result: `speaker_boundary_detection_result.json`, to be written.
        options: how to search. With a walking method `changepoint` is run too, to tell where the two disagree.
        failures: `failures.csv` of the dataset, to say why no file has an embedding.

    Returns:
        What was written.

    Raises:
        ConfigError: the options do not go together.
        JobError: no file has an embedding, the two input files do not belong together, or an embedding is zero or not
            finite.
    """
    listing = read_listing(files)
    if not listing.paths:
        raise JobError(_why_none(files, listing, failures))
    rows = read_array(embeddings)
    if len(rows) != len(listing.paths):
        raise JobError(
            f"{embeddings}: {len(rows):,} rows, but {files} names {len(listing.paths):,}; remove both and run again"
        )
    found = search(rows, options)
    comparison = None
    if options.method != "changepoint":
        comparison = compare(found, search(rows, replace(options, method="changepoint")))
    notes = _notes(found, comparison, options)
    content = result_content(found, listing, notes=notes, comparison=comparison)
    atomic_files.write_json(result, content)
    _log_summary(found, listing, notes)
    return content


def search(embeddings: NDArray[np.float32], options: BoundaryOptions) -> Found:
    """Run the method that the options name.

    Args:
        embeddings: (n, D) rows of any length in the order of the collection, possibly a memory map.
        options: how to search.

    Raises:
        ConfigError: the options do not go together.
        JobError: a row is zero or not finite.
    """
    with threadpool_limits(1):  # threads change the last bits of a sum
        if options.method == "changepoint":
            return changepoint.find_boundaries(
                embeddings,
                distance_ratio=options.distance_ratio,
                min_segment=options.min_segment,
                n_speakers=options.n_speakers,
            )
        walking: dict[str, Any] = {
            "segment_size": options.segment_size,
            "boundary_window": options.boundary_window,
            "distance_ratio": options.distance_ratio,
            "debug": options.debug,
        }
        if options.method == "cosine":
            return cosine.find_boundaries(embeddings, **walking)
        from scripts.speaker.boundaries import gmm  # scikit-learn takes a second to import

        return gmm.find_boundaries(
            embeddings,
            gmm_components=options.gmm_components,
            gmm_window=options.gmm_window,
            seed=options.seed,
            **walking,
        )


def _why_none(files: Path, listing: Listing, failures: Path | None) -> str:
    if not listing.missing:
        return f"{files}: no recording in it, so there is no boundary to find; are input_dir and select right?"
    said = f"none of {len(listing.missing):,} recordings has an embedding"
    if failures is None:
        return f"{files}: {said}"
    with failures.open(encoding="utf-8", newline="") as file:
        errors = counts(line["error"] for line in csv.DictReader(file))
    return f"{failures}: {said}: " + ", ".join(f"{count:,} {error}" for error, count in errors.items())


def _notes(found: Found, comparison: dict[str, Any] | None, options: BoundaryOptions) -> list[str]:
    """What the user should know of a search, a sentence each."""
    notes = []
    if options.method != "changepoint" and found.n <= options.segment_size + options.boundary_window:
        notes.append(
            f"left whole: {found.n:,} files are no more than segment_size ({options.segment_size:,}) and "
            f"boundary_window ({options.boundary_window:,}) together; method: changepoint searches them"
        )
    if options.method != "changepoint" and (options.n_speakers or options.min_segment):
        notes.append(f"n_speakers and min_segment count for changepoint alone, not for {options.method}")
    doubted = sum(not boundary.reliable for boundary in found.boundaries)
    if doubted:
        notes.append(f"{doubted:,} of {len(found.boundaries):,} boundaries are not reliable")
    fallen_back = sum(boundary.fallback_to_cosine for boundary in found.boundaries)
    if fallen_back:
        notes.append(f"{fallen_back:,} boundaries by cosine: too few files for a mixture, or it did not converge")
    if comparison is not None and (comparison["only_here"] or comparison["only_changepoint"]):
        notes.append(
            f"changepoint disagrees: {len(comparison['only_here']):,} boundaries only by {found.method}, "
            f"{len(comparison['only_changepoint']):,} only by changepoint, {comparison['agreed']:,} by both "
            f"(within {AGREE_WITHIN} file)"
        )
    return notes


def _log_summary(found: Found, listing: Listing, notes: Sequence[str]) -> None:
    names = speaker_names(len(found.boundaries) + 1)
    logger.info("%s: %s in %s files", found.method, f"{len(names):,} speakers", f"{found.n:,}")
    if listing.missing:
        logger.info("%s without an embedding", f"{len(listing.missing):,} more")
    numbered = sorted(enumerate(found.boundaries), key=lambda item: item[1].confidence)
    for number, boundary in numbered[:_LEAST_CERTAIN]:
        logger.info(
            "confidence %.2f: %s | %s at %s",
            *(boundary.confidence, names[number], names[number + 1], listing.paths[boundary.index]),
        )
    for note in notes:
        logger.warning("%s", note)
