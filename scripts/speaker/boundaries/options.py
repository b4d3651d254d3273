"""How boundaries are searched. Light: the Snakefile checks the options before anything is embedded."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from scripts.shared.errors import ConfigError


@dataclass(frozen=True)
class BoundaryOptions:
    """How boundaries are searched; descriptions stand in the configuration's schema.

    Attributes:
        method: `changepoint`, `cosine` or `gmm`.
        segment_size: files that a speaker is expected to have; walking methods.
        boundary_window: places to either side of the expected one; walking methods.
        gmm_components: of a side's mixture.
        gmm_window: files to either side of a place whose likelihood counts; `gmm`.
        distance_ratio: least squared distance of two speakers, in within-speaker variances.
        min_segment: fewest files of a speaker; None lets the collection's size decide; `changepoint`.
        n_speakers: how many there are, where it is known; `changepoint`.
        debug: keep the scores of all places that a walking method looked at.
        seed: of the mixtures.
    """

    method: str = "changepoint"
    segment_size: int = 1000
    boundary_window: int = 10
    gmm_components: int = 2
    gmm_window: int = 5
    distance_ratio: float = 1.5
    min_segment: int | None = None
    n_speakers: int | None = None
    debug: bool = False
    seed: int = 42

    @classmethod
    def from_config(cls, dataset: Mapping[str, Any]) -> "BoundaryOptions":
        """Take them from a dataset's configuration, where they stand under these names.

        Raises:
            ConfigError: they do not go together.
        """
        options = cls(**{field.name: dataset[field.name] for field in fields(cls) if field.name in dataset})
        if options.method != "changepoint":
            check_window(options.segment_size, options.boundary_window)
        return options


def check_window(segment_size: int, boundary_window: int) -> None:
    """See that a file is surely on one side of the boundary that a walking method expects.

    Raises:
        ConfigError: the window is as long as a segment.
    """
    if boundary_window >= segment_size:
        raise ConfigError(
            f"boundary_window is {boundary_window}, but must be smaller than segment_size ({segment_size}): "
            "else a window holds a whole speaker"
        )
