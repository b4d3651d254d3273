"""Look at one shard: which of its samples must be made, and why. Writes nothing."""

import hashlib
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts.shared.fingerprints import UNSEEN, SourceStat, digest_bytes, digest_value, stat_source
from scripts.shared.ledger import Row, ShardLedger, read_shard
from scripts.shared.planning import upstream
from scripts.shared.planning.claims import released
from scripts.shared.planning.entry_list import EntryList
from scripts.shared.planning.made_before import settings_now
from scripts.shared.planning.plan_file import PlanHeader, sample_line
from scripts.shared.planning.sources import source_path
from scripts.shared.planning.stage import SourceEntry, Stage
from scripts.shared.planning.staleness import Wanted, is_retried, why_make

_NO_SOURCE = SourceStat(0, 0)


@dataclass
class ShardStatus:
    """What one shard holds and lacks.

    Attributes:
        shard: its number, as files are named.
        header: of the plan that it should have; its serial is empty.
        positions: of its samples in the list of wanted ones, by key.
        sizes, mtimes: of each source, as the plan is to give them; `UNSEEN` where an earlier stage makes the sources:
            they are looked up when the job starts, and the plan does not change with them.
        reasons: how many samples must be made, by reason.
        failed: how many failed before and stay so, by error class.
        answered: serials of plans whose jobs made samples that must be made once more.
        n_seen_before, n_gone: sources that were seen when their samples were made, and those not seen now.
        damaged_rows: ledger lines that cannot be used.
        damaged_files: where these stand.
        rate: samples a second and worker of the newest job, None where unknown.
        stale_ledger: whether the ledger holds much that no longer counts.
        released: see `claims.released`; empty where samples have folders of their own.
    """

    shard: str
    header: PlanHeader
    positions: Sequence[int]
    sizes: "array[int]"
    mtimes: "array[int]"
    reasons: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    answered: set[str] = field(default_factory=set)
    n_seen_before: int = 0
    n_gone: int = 0
    damaged_rows: int = 0
    damaged_files: list[Path] = field(default_factory=list)
    rate: float | None = None
    stale_ledger: bool = False
    released: dict[str, str] = field(default_factory=dict)

    def plan_lines(self, wanted: EntryList) -> list[bytes]:
        """The samples as they stand in the plan."""
        return [
            sample_line(wanted[position].key, stat, wanted[position].entry)
            for position, stat in zip(self.positions, zip(self.sizes, self.mtimes, strict=True), strict=True)
        ]


def compare_shard(
    stage: Stage, shard: str, positions: Sequence[int], wanted: EntryList, files: list[Path] | None = None
) -> ShardStatus:
    """Compare what a shard must hold with what its ledger and its files say.

    Args:
        stage: the stage.
        shard: number of the shard.
        positions: its samples' positions in `wanted`, in the order of their keys.
        wanted: all samples wanted.
        files: the shard's ledger files, where they are known.

    Raises:
        PlanningError: the ledger was written by a newer version.
    """
    ledger = read_shard(stage.ledger_dir, shard, files)
    earlier = upstream.read_earlier(stage.dataset_dir, stage.upstream, shard)
    settings = digest_value(settings_now(stage.settings, stage.made_before))
    status = ShardStatus(shard, _header(stage, shard, "", ()), positions, array("q"), array("q"))
    force: list[str] = []
    current: set[str] = set()
    asked = [stage.settings, *_places(stage), *sorted(stage.made_before.items())]
    asked += sorted(stage.source_dirs.items())
    digest = hashlib.blake2b(digest_value(asked).encode(), digest_size=16)
    for position in positions:
        entry = wanted[position]
        row = ledger.rows.get(entry.key)
        seen = _seen(stage, entry, earlier)
        answer = Wanted(settings, digest_bytes(entry.entry), seen)
        why, forced = _why(stage, entry.key, row, answer)
        if forced:
            force.append(entry.key)
            if row is not None and why is not None and why.startswith("output"):
                status.answered.add(row["plan"])
        _count(status, row, why, gone=seen == UNSEEN and not stage.upstream)
        if row is not None and row.get("entry") == answer.entry:
            current.add(entry.key)
        if stage.upstream:
            seen = UNSEEN
        elif row is not None and why is None:
            # As recorded, so that a source that is gone, or a copy of it, does not change the plan.
            seen = SourceStat(*row["source"])
        status.sizes.append(seen.size)
        status.mtimes.append(seen.mtime_ns)
        digest.update(b"%s\n%s\n%d %d\n" % (entry.key.encode(errors="surrogateescape"), entry.entry, *seen))
    status.header = _header(stage, shard, digest.hexdigest(), tuple(force))
    _judge_ledger(status, ledger)
    if not stage.own_folders:
        status.released = released(ledger.rows, current)
    return status


def _seen(stage: Stage, entry: SourceEntry, earlier: dict[str, Row]) -> SourceStat:
    """The source of a sample as it is now."""
    if stage.upstream:
        return upstream.fingerprint(earlier.get(entry.key))
    if not entry.source:
        return _NO_SOURCE
    return stat_source(source_path(stage.source_dir, stage.source_dirs, entry.source))


def _why(stage: Stage, key: str, row: Row | None, wanted: Wanted) -> tuple[str | None, bool]:
    """Why a sample must be made, and whether the job would not see that by itself."""
    options = stage.options
    # A digest of what an earlier stage made stands in the place of the time, and holds in a copied tree too.
    by_mtime = options.fingerprint == "mtime+size" or bool(stage.upstream)
    why = why_make(row, wanted, stage.dataset_dir, verify=options.verify, by_mtime=by_mtime)
    if why is not None:
        return why, options.verify != "cheap" and why.startswith("output")
    if is_retried(row, options.retry_failed):
        return "retry of a failure", True
    if options.remake in ("all", key):
        return "asked for", True
    return None, False


def _count(status: ShardStatus, row: Row | None, why: str | None, *, gone: bool) -> None:
    if row is not None and row["status"] == "ok" and tuple(row["source"]) != UNSEEN:
        status.n_seen_before += 1
        status.n_gone += gone
    if why is not None:
        status.reasons[why] += 1
    elif row is not None and row["status"] == "failed":
        status.failed[row["error"]] += 1


def _judge_ledger(status: ShardStatus, ledger: ShardLedger) -> None:
    status.damaged_rows = ledger.damaged
    status.damaged_files = ledger.damaged_files
    status.stale_ledger = len(ledger.files) > 3 or ledger.lines > 2 * len(ledger.rows) + 20 or ledger.damaged > 0
    for rate in ledger.rates[-1:]:
        if rate["seconds"] > 0:
            status.rate = rate["made"] / rate["seconds"] / rate["workers"]


def _places(stage: Stage) -> tuple[str, str]:
    return str(Path(stage.source_dir).absolute()), str(Path(stage.dataset_dir).absolute())


def _header(stage: Stage, shard: str, want: str, force: tuple[str, ...]) -> PlanHeader:
    return PlanHeader(
        want=want,
        label=f"{stage.label} {shard}",
        stage=stage.name,
        shard=shard,
        files=stage.files,
        dataset_dir=str(stage.dataset_dir),
        source_dir=str(stage.source_dir),
        settings=stage.settings,
        means=stage.means,
        sample_timeout_s=stage.sample_timeout_s,
        force=force,
        own_folders=stage.own_folders,
        upstream=stage.upstream,
        made_before=dict(stage.made_before),
        source_dirs=dict(stage.source_dirs),
    )


def needs_new_plan(status: ShardStatus, existing: PlanHeader | None, *, has_receipt: bool) -> bool:
    """Whether a shard's plan must be written anew.

    Where the receipt is absent the job runs anyway and makes what is missing, so an unchanged plan is left alone: an
    earlier job may still be answering it.
    """
    if existing is None or existing.want != status.header.want:
        return True
    if existing.serial in status.answered:
        return True
    if not has_receipt:
        return _asks(existing) != _asks(status.header)
    return status.reasons.total() > 0


def _asks(header: PlanHeader) -> tuple[object, ...]:
    """What a plan asks of its job beside what is wanted."""
    return set(header.force), header.means, header.sample_timeout_s
