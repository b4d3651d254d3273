"""Poses at scale: what each command takes, and how it grows."""

from tests.bench import at_scale
from tests.bench.table import Table

SIZES = (10_000, 100_000)


def run() -> Table:
    """Make the dataset once a size, then ask for everything."""
    return Table(
        title="Poses at scale",
        about=f"Made-up captions, stages text, generate and render, shards of 2,500. {at_scale.ABOUT}",
        columns=at_scale.COLUMNS,
        rows=at_scale.rows("pose", SIZES),
    )
