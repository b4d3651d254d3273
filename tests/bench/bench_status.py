"""`make status` beside runs of 10,000 and 300,000 clips."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from scripts.clip4mc.stage import frames_stage
from scripts.shared import layout
from scripts.shared.config import read_config
from scripts.shared.ledger import LedgerWriter, list_shards
from scripts.shared.locks import LockFile
from scripts.shared.planning.stage import Stage
from tests.bench.made_up import write
from tests.bench.measured import rows_of_sizes, run_measured
from tests.bench.table import Cell, Table

ROOT = Path(__file__).resolve().parents[2]
JOBS = 4
_PLAN = (
    "import sys; from pathlib import Path; from scripts.clip4mc.stage import frames_stage;"
    "from scripts.shared.config import read_config; from scripts.shared.planning.planner import plan_dataset;"
    "plan_dataset(frames_stage(read_config(Path(sys.argv[1])), 'big'), scratch=None)"
)


def run() -> Table:
    """Make the tree once a size, then look at it in each state."""
    return Table(
        title="Status",
        about=(
            "`python -m scripts.upkeep.status`, which is `make status`, on made-up datasets: wall and CPU seconds from "
            f"the process's start to its end, peak memory in MiB, and the samples that it counts as made. {JOBS} jobs "
            "run where a run is going on."
        ),
        columns=["clips, state", "wall s", "CPU s", "MiB", "made"],
        rows=rows_of_sizes(_size),
    )


def _size(size: int, folder: Path) -> list[list[Cell]]:
    config = write(folder / "data", size)
    _in_a_process("-c", _PLAN, str(config))
    rows = [_row(f"{size:,}, planned, nothing made", config)]
    _in_a_process("-m", "tests.bench.made_up", str(config))
    rows.append(_row(f"{size:,}, all made", config))
    stage = frames_stage(read_config(config), "big")
    locks = _interrupt(stage)
    rows.append(_row(f"{size:,}, running, half made", config))
    _change_settings(config)
    for lock in locks:
        lock.release()
    _in_a_process("-c", _PLAN, str(config))
    rows.append(_row(f"{size:,}, planned anew after a change of settings", config))
    shutil.rmtree(folder / "data" / "work")
    rows.append(_row(f"{size:,}, work folder deleted", config))
    return rows


def _in_a_process(*arguments: str) -> None:
    """Whoever plans holds the dataset until it ends."""
    subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True)


def _interrupt(stage: Stage) -> list[LockFile]:
    """Bring a finished dataset to where it was half-way: half of the shards complete, some at work, half-made."""
    locks = []
    shards = list(list_shards(stage.ledger_dir).items())
    for shard, files in shards[len(shards) // 2 :]:
        layout.receipt_file(stage.stage_work_dir, shard).unlink()
        if len(locks) == JOBS:
            files[0].unlink()
            continue
        lines = files[0].read_bytes().splitlines(keepends=True)
        files[0].write_bytes(b"".join(lines[: len(lines) // 2]))
        writer = LedgerWriter(stage.ledger_dir, shard, {"made": "up"})
        writer.append({"rate": {"made": len(lines) // 2, "failed": 0, "seconds": 60.0, "at": 0.0, "workers": 8}})
        writer.close()
        locks.append(LockFile(layout.shard_lock(stage.dataset_dir, stage.name, shard)))
        locks[-1].acquire(wait=False)
    return locks


def _change_settings(config: Path) -> None:
    content = yaml.safe_load(config.read_text())
    content["clip4mc"]["num_frames"] = 8
    config.write_text(yaml.safe_dump(content))


def _row(name: str, config: Path) -> list[Cell]:
    command = [sys.executable, "-m", "scripts.upkeep.status", "--configfile", str(config)]
    run_measured(command, ROOT)  # what is measured is the second look: files in the page cache, as beside a run
    ran = run_measured(command, ROOT)
    made = re.search(r"([0-9,]+) (?:of [0-9,]+ )?made", ran.text)
    assert made, ran.text
    return [name, round(ran.wall_s, 2), round(ran.cpu_s, 2), round(ran.peak_mib), made[1]]
