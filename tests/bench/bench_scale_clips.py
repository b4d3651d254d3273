"""CLIP4MC at scale: what each command takes, and how it grows."""

from tests.bench import at_scale
from tests.bench.table import Table

SIZES = (10_000, 100_000, 300_000)


def run() -> Table:
    """Make the dataset once a size, then ask for everything."""
    return Table(
        title="CLIP4MC at scale",
        about=f"Made-up clips, three files and a folder a sample, shards of 2,000. {at_scale.ABOUT}",
        columns=at_scale.COLUMNS,
        rows=at_scale.rows("clip4mc", SIZES),
    )
