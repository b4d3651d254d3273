"""Speaker at scale: what each command takes, and how it grows."""

from tests.bench import at_scale
from tests.bench.table import Table

SIZES = (10_000, 100_000, 1_000_000)


def run() -> Table:
    """Make the dataset once a size, then ask for everything."""
    return Table(
        title="Speaker at scale",
        about=f"Made-up recordings, 1,000 a folder, a pickle each, shards of 20,000. {at_scale.ABOUT}",
        columns=at_scale.COLUMNS,
        rows=at_scale.rows("speaker", SIZES),
    )
