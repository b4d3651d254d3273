"""What a benchmark comes to: one table with its words."""

from collections.abc import Sequence
from dataclasses import dataclass, field

Cell = str | int | float | None


@dataclass(frozen=True)
class Table:
    """The result of one bench.

    Args:
        title: of its section.
        about: what is measured, how and in which unit; one paragraph.
        columns: names, the first of what a row is about.
        rows: as long as `columns`; numbers as measured, None where there is nothing to say.
        notes: sentences under the table.
        versions: of the programs compared, where they are not installed beside the project.
    """

    title: str
    about: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()
    versions: dict[str, str] = field(default_factory=dict)


class NotMeasured(Exception):  # noqa: N818 - no failure: the machine lacks what the bench needs
    """A bench cannot run here.

    Args:
        table: what it would give, without rows.
        reason: why it cannot.
    """

    def __init__(self, table: Table, reason: str) -> None:
        super().__init__(reason)
        self.table = table
