"""The index of a collection: all embeddings in one array, what failed, and how the extraction went."""

from collections.abc import Mapping
from pathlib import Path
from sys import intern
from typing import Any, NamedTuple

from scripts.shared import atomic_files
from scripts.shared.figures.distributions import failures_figure
from scripts.shared.figures.style import to_png
from scripts.shared.figures.throughput import Span, leave_out_idle, spans, throughput_figure
from scripts.shared.index_files import Failure, counts, read_listed, write_failures
from scripts.shared.ledger import Row
from scripts.shared.planning.index_plan import IndexPlan, read_index_plan
from scripts.speaker.array_files import Recording, new_array, write_tables
from scripts.speaker.shard_arrays import digest_key, file_of, read_part, read_pickle


class _Made(NamedTuple):
    file: str
    digest: bytes
    duration: float
    device: str
    decoder: str
    cancels: bool  # the channels mix to silence: the first one was taken


def write_index(plan_path: Path, *, outputs: Mapping[str, Path], title: str) -> None:
    """Write the index files from the ledgers.

    Args:
        plan_path: the index plan.
        outputs: `embeddings` (`embeddings.npy`), `table` (`embeddings.csv`), `files` (`files.csv`), `failures`,
            `summary`, `stats` (`extraction_stats.json`) and the figures `failures_by_class` and `throughput`. Equal
            ledgers give equal files.
        title: the dataset in words: `speaker studio`.

    Raises:
        JobError: a recording has no row, its pickle does not hold what its row says, or the plan is damaged.
    """
    plan = read_index_plan(plan_path)
    work: list[Span] = []
    made: list[_Made] = []
    recordings: list[Recording] = []
    failed: list[Failure] = []
    for key, kept in read_listed(plan, _keep, lambda ledger: work.extend(spans(ledger.rates))):
        if isinstance(kept, _Made):
            recordings.append(Recording(key, len(made), kept.duration))
            made.append(kept)
        else:
            recordings.append(Recording(key, None))
            failed.append(kept)
    _write_array(plan, made, outputs["embeddings"])
    write_tables(recordings, table=outputs["table"], files=outputs["files"])
    write_failures(outputs["failures"], failed)
    seconds = sum(of.duration for of in made)
    errors = counts(failure.error for failure in failed)
    shared = {"ok": len(made), "failed": len(failed), "errors": errors, "audio_seconds": round(seconds, 3)}
    # Channels of opposite phase: of these recordings the first one was taken, whatever `channel` says.
    shared["cancelling_channels"] = sum(of.cancels for of in made)
    by_device = {"devices": counts(of.device for of in made), "decoders": counts(of.decoder for of in made)}
    atomic_files.write_json(outputs["summary"], {**shared, **by_device, **plan.settings})
    atomic_files.write_json(
        outputs["stats"], {"total": len(recordings), **shared, **by_device, **plan.settings, **_speed(work, seconds)}
    )
    n_recordings = len(recordings)
    drawn = {
        "failures_by_class": failures_figure(errors, n_samples=n_recordings, title=title),
        "throughput": throughput_figure(work, title=title),
    }
    for name, figure in drawn.items():
        atomic_files.write_bytes(outputs[name], to_png(figure))


def _keep(row: Row) -> _Made | Failure:
    if row["status"] == "failed":
        return Failure(row["key"], row["source_name"], row["error"], row["message"])
    file, digest = file_of(row)
    facts = row["facts"]
    return _Made(
        file,
        digest_key(digest),
        facts["duration"],
        intern(facts["device"]),
        intern(facts["decoder"]),
        "channel" in facts,
    )


def _write_array(plan: IndexPlan, made: list[_Made], path: Path) -> None:
    """Fill the array from the parts, and from the pickles what these lack."""
    dataset_dir = Path(plan.dataset_dir)
    waiting = {of.digest: row for row, of in enumerate(made)}
    dim = _dim(plan, made)
    with new_array(path, len(made), dim) as array:
        for shard in plan.shards:
            part = read_part(dataset_dir, shard)
            if part["embedding"].shape[1:] != (dim,):
                continue
            places = [(at, row) for at, digest in enumerate(part["digest"])
                      if (row := waiting.pop(digest.tobytes(), None)) is not None]  # fmt: skip
            if places:
                at, rows = zip(*places, strict=True)
                array[list(rows)] = part["embedding"][list(at)]
        for digest, row in waiting.items():
            array[row] = read_pickle(dataset_dir, made[row].file, digest.hex())


def _dim(plan: IndexPlan, made: list[_Made]) -> int:
    if not made:
        return 0
    return len(read_pickle(Path(plan.dataset_dir), made[0].file, made[0].digest.hex()))


def _speed(work: list[Span], audio_seconds: float) -> dict[str, Any]:
    """How long the jobs worked, pauses of the run left out; nothing where no job said so."""
    if not work:
        return {}
    moved, _ = leave_out_idle(work)
    seconds = max(span.end for span in moved)
    done = sum(span.done for span in moved)
    return {
        "processing_seconds": round(seconds, 3),
        "files_per_second": round(done / seconds, 3),
        # Of all attempts, so of files that were embedded again too.
        "real_time_factor": round(seconds / audio_seconds, 6) if audio_seconds else None,
    }
