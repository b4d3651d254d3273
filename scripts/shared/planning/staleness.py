"""Is a sample as it should be? The one rule that the planner and the shard's job both follow."""

import os
from dataclasses import dataclass
from pathlib import Path

from scripts.shared.fingerprints import UNSEEN, SourceStat, digest_file
from scripts.shared.layout import has_own_folder, sample_file
from scripts.shared.ledger import Row


@dataclass(frozen=True)
class Wanted:
    """What a finished sample must answer to.

    Attributes:
        settings: digest of the settings that change bytes.
        entry: digest of what the source list says of the sample.
        source: the source file as seen now; `UNSEEN` never makes a finished sample stale.
    """

    settings: str
    entry: str
    source: SourceStat


def why_make(
    row: Row | None, wanted: Wanted, dataset_dir: str | Path, *, verify: str = "cheap", by_mtime: bool = True
) -> str | None:
    """Why a sample must be made, None where it need not.

    Args:
        row: its last ledger row.
        wanted: what it must answer to.
        dataset_dir: the dataset's results folder.
        verify: `cheap` trusts a sample's own folder where its time of change is the recorded one, and else looks at the
            size of every file; `full` does always; `digest` reads every file.
        by_mtime: whether a source's time of change counts, or its size alone (for copied trees).

    Returns:
        What `why_unanswered` gives, `output missing` or `output damaged`.
    """
    why = why_unanswered(row, wanted, by_mtime=by_mtime)
    if why is not None or row is None or row["status"] == "failed":
        return why
    return _why_files(row, dataset_dir, verify)


def why_unanswered(row: Row | None, wanted: Wanted, *, by_mtime: bool = True) -> str | None:
    """As `why_make`, from the record alone: no file is looked at.

    Returns:
        `new`, `interrupted`, `settings changed`, `list entry changed` or `source changed`.
    """
    if row is None:
        return "new"
    if row["status"] == "making":
        return "interrupted"
    if row["settings"] != wanted.settings:
        return "settings changed"
    if row["entry"] != wanted.entry:
        return "list entry changed"
    if not same_source(row, wanted.source, by_mtime=by_mtime):
        return "source changed"
    return None


def same_source(row: Row, seen: SourceStat, *, by_mtime: bool = True) -> bool:
    """Whether a sample was made, or tried, from the source as it is seen; see `why_make`."""
    size, mtime_ns = row["source"]
    if seen == UNSEEN:
        return True
    return bool(size == seen.size and (not by_mtime or mtime_ns == seen.mtime_ns))


def _why_files(row: Row, dataset_dir: str | Path, verify: str) -> str | None:
    try:
        # A folder's time of change tells of files made, removed and renamed: all that Polymill itself does. That of a
        # folder that samples share says nothing of one of them.
        if (
            verify == "cheap"
            and has_own_folder(row)
            and os.stat(f"{dataset_dir}/{row['key']}").st_mtime_ns == row["folder_mtime_ns"]
        ):
            return None
        for name, (size, digest) in row["files"].items():
            path = f"{dataset_dir}/{sample_file(row, name)}"
            if os.stat(path).st_size != size or (verify == "digest" and digest_file(Path(path)) != digest):
                return "output damaged"
    except OSError:
        return "output missing"
    return None


def is_retried(row: Row | None, retry_failed: bool | list[str]) -> bool:
    """Whether a failed sample is to be tried again: all, or those of the error classes named."""
    if row is None or row["status"] != "failed":
        return False
    return retry_failed if isinstance(retry_failed, bool) else row["error"] in retry_failed
