"""What the pictures know of the speakers found and of the reference."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.speaker.boundaries.found import Boundary
from scripts.speaker.boundaries.result import read_result

SURE = 0.7  # confidence from which a boundary is drawn as certain


@dataclass(frozen=True)
class Segmentation:
    """A collection divided into speakers.

    Attributes:
        n: rows of the collection, at least 1.
        boundaries: the inner ones, ascending.
        speaker_ids: of the `len(boundaries) + 1` speakers, in the order of the collection.
        reference: first rows of the reference's speakers but the first; None without a reference.
        n_without: files that have no embedding, and no row.
        parameters: of the search.
    """

    n: int
    boundaries: tuple[Boundary, ...]
    speaker_ids: tuple[str, ...]
    reference: tuple[int, ...] | None = None
    n_without: int = 0
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def indices(self) -> list[int]:
        """Boundaries with both ends: [0, ..., n]."""
        return [0, *(boundary.index for boundary in self.boundaries), self.n]


def uncertain(boundary: Boundary) -> bool:
    """Whether a boundary is drawn as uncertain."""
    return boundary.confidence < SURE or not boundary.reliable


def read_segmentation(result: Path) -> Segmentation:
    """Read `speaker_boundary_detection_result.json`.

    Raises:
        JobError: it is damaged.
    """
    content = read_result(result)
    return Segmentation(
        n=content["boundaries"][-1],
        boundaries=tuple(map(_boundary, content["boundary_details"])),
        speaker_ids=tuple(speaker["speaker_id"] for speaker in content["speakers"]),
        n_without=content["files_without_embedding"],
        parameters=content["parameters"],
    )


def _boundary(details: dict[str, Any]) -> Boundary:
    """JSON has no infinity: null is the margin of a place without a rival."""
    margin = float("inf") if details["margin"] is None else details["margin"]
    return Boundary(
        index=details["index"],
        score=details["score"],
        margin=margin,
        confidence=details["confidence"],
        distance_ratio=details["distance_ratio"],
        reliable=details["reliable"],
        theoretical_index=details.get("theoretical_index"),
    )
