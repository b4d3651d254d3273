"""What the server is told when it starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STATIC = Path(__file__).parent / "static"


@dataclass(frozen=True)
class Settings:
    """All that the application needs to know.

    Attributes:
        dataset: its name.
        database: its `assets.db`.
        user_database: its `user.db`.
        kept: a folder for small pictures and clips, which may be removed at any time.
        scan_command: what makes the index anew, as words.
        scan_environment: of that; None for the server's own.
        how_to_index: the same, as a user types it.
        scan_log: where that tells what it does.
        stage_work_dir: with the plans of the stage, for the progress of a scan.
        ledger_dir: with the ledgers of the stage.
        config: the whole configuration.
        hosts: names that the server may be asked by, besides addresses and `localhost`.
        password: opens the page; None where all may.
        port: it listens on.
        static: the page's files.
    """

    dataset: str
    database: Path
    user_database: Path
    kept: Path
    scan_command: tuple[str, ...]
    how_to_index: str
    scan_log: Path
    stage_work_dir: Path
    ledger_dir: Path
    config: Mapping[str, Any]
    hosts: tuple[str, ...] = field(default=())
    password: str | None = None
    scan_environment: Mapping[str, str] | None = None
    port: int = 5000
    static: Path = STATIC
