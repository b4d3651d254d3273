"""What an earlier stage of the same dataset made of a sample, as the source of the next stage's sample.

Its ledger tells that, not the files: a stage that made the same bytes again leaves all later ones current, and a
dataset that was copied needs no look at a clock.
"""

from pathlib import Path

from scripts.shared import layout
from scripts.shared.errors import SampleError
from scripts.shared.fingerprints import UNSEEN, SourceStat, digest_value
from scripts.shared.ledger import Row, read_shard

FAILED = "upstream"  # class of the failures that began in an earlier stage

_HEX_DIGITS = 15  # 60 bits: what fits where a time in nanoseconds stands


def read_earlier(dataset_dir: Path, stage: str, shard: str) -> dict[str, Row]:
    """The rows of the earlier stage in a shard; stages of one dataset have the same shards.

    Args:
        dataset_dir: the dataset's results folder.
        stage: the earlier stage; empty where there is none.
        shard: number of the shard.

    Raises:
        PlanningError: a newer version of Polymill wrote the ledger.
    """
    return read_shard(layout.ledger_dir(dataset_dir, stage), shard).rows if stage else {}


def fingerprint(earlier: Row | None) -> SourceStat:
    """The source of a sample: the size in bytes and a digest of the files that the earlier stage made.

    Args:
        earlier: the earlier stage's row of the same key.

    Returns:
        The digest stands in the place of the time. Of a failed row it is one of the failure, so that the sample is
        looked at again when that is another. `UNSEEN` where there is no row, or an interrupted one.
    """
    if earlier is None or earlier["status"] == "making":
        return UNSEEN
    if earlier["status"] == "failed":
        return SourceStat(0, _digest([earlier["error"], earlier["message"]]))
    return SourceStat(sum(size for size, _ in earlier["files"].values()), _digest(earlier["files"]))


def _digest(value: object) -> int:
    return int(digest_value(value)[:_HEX_DIGITS], 16)


def failure(stage: str, earlier: Row | None) -> SampleError | None:
    """Why a sample cannot be made from what the earlier stage holds; None where it can.

    Args:
        stage: the earlier stage.
        earlier: its row of the same key.
    """
    if earlier is None or earlier["status"] == "making":
        return SampleError(FAILED, f"{stage}: has not made it yet; the next run tries again")
    if earlier["status"] == "ok":
        return None
    if earlier["error"] == FAILED:  # it says already in which stage that began
        return SampleError(FAILED, earlier["message"])
    return SampleError(FAILED, f"{stage}: {earlier['error']}: {earlier['message']}")
