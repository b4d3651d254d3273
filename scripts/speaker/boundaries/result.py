"""What `speaker_boundary_detection_result.json` says."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson

from scripts.shared.errors import JobError
from scripts.speaker.boundaries.found import Boundary, Found
from scripts.speaker.boundaries.listing import Listing
from scripts.speaker.boundaries.matching import match

AGREE_WITHIN = 1  # files
_DIGITS = 6


def result_content(
    found: Found, listing: Listing, *, notes: Sequence[str], comparison: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Everything that a search found, ready for JSON.

    Indices count the files that have an embedding. A file without one is listed with the speaker whose files stand
    around it, and as undecided between two speakers.

    Args:
        found: the boundaries.
        listing: the recordings, as many with an embedding as `found` has rows.
        notes: what the user should know of the search, a sentence each.
        comparison: how `changepoint` differs, where another method was asked for; see `compare`.
    """
    indices = found.indices
    names = speaker_names(len(indices) - 1)
    without: dict[str, list[str]] = {name: [] for name in names}
    undecided = []
    inner = set(indices[1:-1])
    for place, path in listing.missing:
        after = min(bisect_right(indices, place), len(names))
        if place in inner:
            undecided.append({"relative_path": path, "between": [names[after - 2], names[after - 1]]})
        else:
            without[names[after - 1]].append(path)
    speakers = [
        {
            "speaker_id": name,
            "start_index": start,
            "end_index": end,
            "file_count": end - start,
            "audio_files": listing.paths[start:end],
            "no_embedding": without[name],
        }
        for name, (start, end) in zip(names, pairwise(indices), strict=True)
    ]
    content: dict[str, Any] = {
        "boundaries": indices,
        "speakers": speakers,
        "undecided": undecided,
        "total_audio_files": found.n,
        "files_without_embedding": len(listing.missing),
        "detected_speakers": len(speakers),
        "method": found.method,
        "parameters": found.parameters,
        "boundary_details": [_details(boundary) for boundary in found.boundaries],
        "notes": list(notes),
    }
    if comparison is not None:
        content["changepoint"] = comparison
    return content


def read_result(path: Path) -> dict[str, Any]:
    """What `speaker_boundary_detection_result.json` says; see `result_content`.

    Raises:
        JobError: it is damaged.
    """
    try:
        content: dict[str, Any] = orjson.loads(path.read_bytes())
        content["boundaries"][-1]  # what is no result has none
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise JobError(f"{path}: damaged ({error!r}); remove it and run again: it is made anew") from error
    return content


def speaker_names(count: int) -> list[str]:
    """`speaker_001` and so on, wide enough to sort."""
    width = max(3, len(str(count)))
    return [f"speaker_{number:0{width}}" for number in range(1, count + 1)]


def compare(found: Found, other: Found) -> dict[str, Any]:
    """Where a walking method and `changepoint` disagree by more than a file."""
    here, there = found.indices[1:-1], other.indices[1:-1]
    agreed = match(here, there, AGREE_WITHIN)
    return {
        "boundaries": other.indices,
        "agreed": len(agreed),
        "only_here": sorted(set(here) - {one for one, _ in agreed}),
        "only_changepoint": sorted(set(there) - {one for _, one in agreed}),
    }


def _details(boundary: Boundary) -> dict[str, Any]:
    details: dict[str, Any] = {
        "index": boundary.index,
        "score": _number(boundary.score),
        "margin": _number(boundary.margin),
        "confidence": _number(boundary.confidence),
        "distance_ratio": _number(boundary.distance_ratio),
        "reliable": boundary.reliable,
    }
    if boundary.theoretical_index is not None:
        details["theoretical_index"] = boundary.theoretical_index
        details["fallback_to_cosine"] = boundary.fallback_to_cosine
    if boundary.scores:
        details["scores"] = [[index, _number(score)] for index, score in boundary.scores]
    return details


def _number(value: float | None) -> float | None:
    """Six decimals; nothing for what JSON has no number for."""
    return round(value, _DIGITS) if value is not None and math.isfinite(value) else None
