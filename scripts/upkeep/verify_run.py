"""Check a training run: is its model what `run.json` says, and is every checkpoint whole? It reads only."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.shared.errors import ConfigError, JobError
from scripts.shared.training import run_folder
from scripts.shared.training.metrics_log import read_rows
from scripts.shared.training.run_record import model_sums

_NAMED = 5

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunToVerify:
    """What the job is asked.

    Attributes:
        label: the run in words: `cnclip run kl`.
        system: name of the system.
        run_dir: the run's folder.
    """

    label: str
    system: str
    run_dir: str


def verify_run(task: RunToVerify) -> dict[str, Any]:
    """Look at all files of a run that something is known of.

    Returns:
        What was found right, as plain JSON types.

    Raises:
        JobError: something is damaged; names it and the mend. Nothing was changed.
    """
    run_dir = Path(task.run_dir)
    checkpoints = sorted(run_folder.checkpoints_dir(run_dir).glob("*.pt"))
    ended = run_folder.record_file(run_dir).exists()
    problems = [
        *_checkpoint_problems(checkpoints, task.system),
        *_metrics_problems(run_dir),
        *(_model_problems(run_dir, task.system) if ended else ()),
    ]
    if problems:
        more = f"; and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
        raise JobError(
            f"{task.label}: {len(problems)} problems: {'; '.join(problems[:_NAMED])}{more}. Nothing was changed"
        )
    n_files = len(model_sums(run_dir)) if ended else 0
    log.info(
        "[%s] %d checkpoints are whole%s",
        task.label, len(checkpoints), f", {n_files} files of the model are as recorded" if ended else
        "; the training has not ended: there is no run.json yet",
    )  # fmt: skip
    return {"ended": ended, "checkpoints": [path.name for path in checkpoints], "model_files": n_files}


def _checkpoint_problems(checkpoints: list[Path], system: str) -> Iterator[str]:
    # Here and not above: only a job that has checkpoints needs torch.
    if checkpoints:
        from scripts.shared.training.checkpoints import check_whole, read_head
    for path in checkpoints:
        try:
            check_whole(path)
            read_head(path)
        except ConfigError as error:
            if path.exists():  # a training that goes on removes its old ones
                yield f"{error} (mend: remove it; all_{system} goes on from the one before, or begins anew)"


def _metrics_problems(run_dir: Path) -> Iterator[str]:
    try:
        for _ in read_rows(run_folder.metrics_file(run_dir)):
            pass
    except (JobError, OSError) as error:
        yield f"{error}"


def _model_problems(run_dir: Path, system: str) -> Iterator[str]:
    record, model = run_folder.record_file(run_dir), run_folder.model_dir(run_dir)
    mend = f"mend: remove {model}; all_{system} makes it again from the last checkpoint"
    recorded = recorded_sums(record)
    if recorded is None:
        yield f"{record}: no record that can be read (mend: remove it; all_{system} writes it again)"
        return
    try:
        found = model_sums(run_dir)
    except OSError as error:
        yield f"{error.filename}: {error.strerror} (mend the disk)"
        return
    for name in sorted(recorded.keys() | found.keys()):
        if name not in found:
            yield f"{model / name} is not there ({mend})"
        elif name not in recorded:
            yield f"{model / name} is no file of the model that was made (mend: move it away)"
        elif recorded[name] != found[name]:
            yield f"{model / name} does not hold what was written ({mend})"


def recorded_sums(record: Path) -> dict[str, str] | None:
    """The SHA-256 of each file of a model, as `run.json` has them; None where it cannot be read."""
    try:
        return dict(json.loads(record.read_text(encoding="utf-8"))["model_files"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
