"""Bring a dataset to the state in which a real run leaves it, with made-up samples, through the real writers."""

import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

from scripts.shared import layout
from scripts.shared.errors import SampleError
from scripts.shared.fingerprints import SourceStat, digest_bytes
from scripts.shared.ledger import LedgerWriter, Row
from scripts.shared.planning.plan_file import PlanHeader, PlannedSample, read_plan
from scripts.shared.planning.planner import DatasetPlan, plan_dataset
from scripts.shared.planning.stage import Stage
from scripts.shared.sample_task import MadeSample
from scripts.shared.shard_job import ShardWork

# From a sample to the content of each of its files, by name, and the facts to remember of it.
Content = Callable[[PlannedSample], tuple[Mapping[str, bytes], dict[str, Any]]]
Finish = Callable[[PlanHeader, dict[str, Row]], None]

NO_FINISH: Finish = lambda _header, _rows: None  # noqa: E731 - as in `run_shard`
_FAILURE = SampleError("made_up", "failed because the bench wants failures; nothing is wrong with the file")


def finish_stage(stage: Stage, content: Content, finish: Finish = NO_FINISH) -> DatasetPlan:
    """Plan a stage and write all its samples, ledgers and receipts as its jobs would; flushes nothing to the disk.

    Args:
        stage: the stage; its earlier stage is finished.
        content: of each sample.
        finish: what its jobs do at their end; see `run_shard`.
    """
    # What a power cut would take here is nobody's; a flush for 64 samples would take longer than all else.
    with patch.object(os, "fsync", lambda _: None):
        plan = plan_dataset(stage, scratch=None)
        for shard, path in plan.plans.items():
            _finish_shard(path, layout.receipt_file(stage.stage_work_dir, shard), content, finish)
    return plan


def _finish_shard(plan_path: Path, receipt: Path, content: Content, finish: Finish) -> None:
    header, samples = read_plan(plan_path)
    dataset_dir = Path(header.dataset_dir)
    work = ShardWork(header, dataset_dir, plan_path)
    unfinished = layout.unfinished_dir(dataset_dir, header.stage, header.shard)
    folders: set[Path] = set()
    writer = LedgerWriter(layout.ledger_dir(dataset_dir, header.stage), header.shard, {"made": "up"})
    for sample in samples:
        contents, facts = content(sample)
        folder = work.places.making(unfinished, sample.key)
        for name, data in contents.items():
            path = folder / name
            if path.parent not in folders:
                path.parent.mkdir(parents=True, exist_ok=True)
                folders.add(path.parent)
            path.write_bytes(data)
        files = {name: (len(data), digest_bytes(data)) for name, data in contents.items()}
        work.publish(writer, sample, MadeSample(SourceStat(*sample.stat), files, facts), folder)
        folders.discard(folder)  # a folder of its own was renamed
    writer.append({"rate": {"made": len(samples), "failed": 0, "seconds": 600.0, "at": time.time(), "workers": 8}})
    writer.close()
    for found in sorted((found for found in folders if found.is_dir()), key=lambda found: -len(found.parts)):
        found.rmdir()
    finish(header, {sample.key: work.rows[sample.key] for sample in samples})
    work.write_receipt(receipt, samples)


def fail_some(stage: Stage, *, every: int) -> None:
    """Let each so manieth sample of every shard have failed, as its ledger tells and its job leaves it."""
    logging.getLogger("scripts.shared.shard_job").setLevel(logging.ERROR)  # else a line for each
    with patch.object(os, "fsync", lambda _: None):
        for path in sorted(layout.plan_file(stage.stage_work_dir, "0").parent.glob("*.json")):
            header, samples = read_plan(path)
            work = ShardWork(header, Path(header.dataset_dir), path)
            writer = LedgerWriter(stage.ledger_dir, header.shard, {"made": "up"})
            for sample in samples[every - 1 :: every]:
                work._record_failure(writer, sample, _FAILURE)
            writer.close()
            work.write_receipt(layout.receipt_file(stage.stage_work_dir, header.shard), samples)
