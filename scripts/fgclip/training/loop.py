"""The loop of a training, as each of its processes runs it."""

import json
import logging
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from scripts.fgclip.model.model_folder import save_video_clip
from scripts.fgclip.training.assembling import Parts, put_together
from scripts.fgclip.training.item_reader import Batch
from scripts.fgclip.training.learner import Measured, mean_measured
from scripts.fgclip.training.options import RunOptions, run_options
from scripts.fgclip.training.reporter import LIBRARIES, Reporter
from scripts.shared.errors import ConfigError, JobError, StoppedError
from scripts.shared.packages import installed_versions
from scripts.shared.stop_request import StopRequest
from scripts.shared.training import run_folder
from scripts.shared.training.checkpoints import Checkpoint, CheckpointFolder, newest_of, read_checkpoint
from scripts.shared.training.processes import Processes, device_name
from scripts.shared.training.run_record import PeakMemory, peak_memory, write_record
from scripts.shared.training.schedule import is_due, warmup_cosine
from scripts.shared.training.so_far import SoFar
from scripts.shared.training.taking_part import Unreadable, taking_part

EPOCHS = "epochs"  # model folders of the epochs that are kept
_SNAPSHOTS = "snapshots"  # weights of those, and of the best one, as they were taken
_BEST = "best.pt"
_SO_FAR = "so_far"  # in a checkpoint, beside model and optimizer

log = logging.getLogger(__name__)


def train_process(settings: Path) -> None:
    """Be one process of a training.

    Args:
        settings: a file as `train` writes it.

    Raises:
        PolymillError: see `train`.
    """
    plan = json.loads(settings.read_text(encoding="utf-8"))
    options = run_options(plan["name"], plan["settings"])
    where = f"fgclip.runs.{options.name}"
    with taking_part(plan, seed=options.seed, processes=options.processes, where=where) as (processes, stop):
        Training(plan, options, put_together(plan, options, processes), processes, stop).run()


class Training:
    """One process's part in the loop.

    Args:
        plan: what the settings file holds.
        options: of the run.
        parts: what is trained, on what.
        processes: those that train together.
        stop: whether it is asked to end.
    """

    def __init__(
        self, plan: Mapping[str, Any], options: RunOptions, parts: Parts, processes: Processes, stop: StopRequest
    ) -> None:
        self._plan, self._options, self._parts, self._processes, self._stop = plan, options, parts, processes, stop
        self._learner = parts.learner
        self._run_dir = Path(plan["run_dir"])
        self._checkpoints = CheckpointFolder(
            run_folder.checkpoints_dir(self._run_dir),
            parts.identity,
            keep=options.save_total_limit,
            label=options.name,
        )
        self._snapshots = CheckpointFolder(self._run_dir / _SNAPSHOTS, parts.identity, label=options.name)
        self._per_epoch = parts.train.per_epoch
        self._steps = options.max_steps or options.epochs * self._per_epoch
        self._kept_epochs = options.kept_epochs(math.ceil(self._steps / self._per_epoch))
        self._so_far = SoFar()
        self._unreadable = Unreadable(options.name)

    def run(self) -> None:
        """Go on from the newest checkpoint to the end, and write the model.

        Raises:
            StoppedError: asked to end; a checkpoint was left.
            JobError: the loss is no number any more, no video of a step could be read, or memory ran out.
        """
        done = self._resume()
        warmup = self._options.warmup(self._steps)
        if warmup >= self._steps:
            log.warning(
                "[%s] warmup_steps: %d are all of the training's %d, so its rates never fall; set fewer",
                *(self._options.name, warmup, self._steps),
            )
        batches = self._told(self._parts.train.batches(range(done, self._steps)))
        with self._reporter(done) if self._processes.first else nullcontext() as reporter:
            for step in range(done, self._steps):
                self._waited_s = 0.0
                factor = warmup_cosine(step, lr=1.0, warmup=warmup, total=self._steps)
                measured = self._learner.learn(batches, step, factor)
                self._refuse_nothing_read(measured, step + 1)
                if reporter:
                    lr = factor * self._options.lr
                    reporter.step(step + 1, measured, lr=lr, scales=self._learner.scales, data_s=self._waited_s)
                self._after(step + 1, measured, reporter)
            self._finish(reporter)

    def _told(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """The batches, with what could not be read in them said, and the time in which they were waited for."""
        while True:
            began = time.monotonic()
            batch = next(batches, None)
            self._waited_s += time.monotonic() - began
            if batch is None:
                return
            self._unreadable.tell(batch.unreadable)
            yield batch

    def _reporter(self, done: int) -> Reporter:
        return Reporter(
            self._run_dir,
            self._options,
            per_epoch=self._per_epoch,
            steps=self._steps,
            done=done,
            identity=self._parts.identity,
            data=self._parts.data,
            device=device_name(self._processes.device),
        )

    def _resume(self) -> int:
        """Take up a checkpoint; steps taken before it."""
        found = self._first_checkpoint() if self._processes.first else None
        path = self._processes.share(str(found.path) if found else "")
        if not path:
            return 0
        held = found or read_checkpoint(Path(path))
        if not {"model", "optimizer", _SO_FAR} <= held.value.keys():
            raise ConfigError(f"{path}: holds weights alone; name a checkpoint of the folder checkpoints")
        if held.step > self._steps:
            raise ConfigError(f"{path}: was written after {held.step} steps, and this run has {self._steps}")
        self._learner.restore(held.value, where=path)
        self._so_far = SoFar(**held.value[_SO_FAR])
        self._unreadable = Unreadable(self._options.name, self._so_far.unreadable)
        log.info("[%s] goes on after %d of %d steps, from %s", self._options.name, held.step, self._steps, path)
        return held.step

    def _first_checkpoint(self) -> Checkpoint | None:
        """This training's newest checkpoint; where it has none, the one that it is told to begin with."""
        if self._options.resume_from_checkpoint == "never":
            self._checkpoints.begin_anew()
            return None
        found = self._checkpoints.newest()
        return newest_of(self._options.start_from) if found is None and self._options.start_from else found

    def _refuse_nothing_read(self, measured: Measured, taken: int) -> None:
        if not measured.n_videos:
            last = next(iter(self._unreadable.anywhere(self._processes)), "")
            raise JobError(
                f"[{self._options.name}] step {taken}: not one of its videos can be read (such as {last}); are they "
                "still there? Run the target fgclip_validate"
            )

    def _after(self, taken: int, measured: Measured, reporter: Reporter | None) -> None:
        """Measure the held-out items, save and end where it is time."""
        epoch, whole_epoch = math.ceil(taken / self._per_epoch), taken % self._per_epoch == 0
        at_end = whole_epoch or taken == self._steps
        snapshots = []
        if self._parts.aside and at_end:
            found = self._measure_aside(self._parts.aside.batches(range(self._parts.aside.per_epoch)))
            if reporter:
                reporter.held_out(taken, found)
            if found.loss < self._so_far.best_loss:
                self._so_far = replace(self._so_far, best_loss=found.loss, best_step=taken, best_epoch=epoch)
                snapshots.append(_BEST)
        if at_end and epoch in self._kept_epochs:
            snapshots.append(_snapshot_of(epoch))
        stopping = self._processes.any(self._stop())
        # Snapshots first: a checkpoint that is gone on from speaks of them.
        if reporter:
            for name in snapshots:
                self._snapshots.save(name, {"model": self._learner.model.state_dict()}, step=taken, lasting=True)
        if at_end or stopping or is_due(taken, self._options.save_steps):
            self._save(taken, measured, reporter)
        if stopping and taken < self._steps:
            if reporter:
                reporter.attempts.step(taken, last=True)
            raise StoppedError(
                f"[{self._options.name}] asked to end by {self._stop.by or 'another process'} after {taken} of "
                f"{self._steps} steps; the same command goes on"
            )

    def _measure_aside(self, batches: Iterator[Batch]) -> Measured:
        return mean_measured([self._learner.measure(batch) for batch in self._told(batches)])

    def _save(self, taken: int, measured: Measured, reporter: Reporter | None) -> None:
        unreadable = self._unreadable.anywhere(self._processes)
        self._so_far = replace(self._so_far, loss=measured.loss, unreadable=unreadable)
        if reporter:
            reporter.saving()
            value = {**self._learner.checkpoint(), _SO_FAR: asdict(self._so_far)}
            self._checkpoints.save(f"step_{taken}.pt", value, step=taken)

    def _finish(self, reporter: Reporter | None) -> None:
        """Write the models and what the run took."""
        peaks = self._processes.gather(peak_memory())
        unreadable = self._unreadable.anywhere(self._processes)
        if not reporter:
            return
        so_far, model = self._so_far, self._learner.model
        if self._options.keep_best:
            self._take(_BEST)
        weights = self._write_model(run_folder.model_dir(self._run_dir), self._options.name, "")
        for epoch in self._kept_epochs:
            self._take(_snapshot_of(epoch))
            name = f"{self._options.name}.epoch{epoch}"
            self._write_model(self._run_dir / EPOCHS / str(epoch), name, f"epoch {epoch}")
        peak = PeakMemory(sum(one.host_bytes for one in peaks), max(one.gpu_bytes for one in peaks))
        reporter.attempts.step(self._steps, peak=peak, last=True)
        reporter.saving()
        reporter.write_log()
        write_record(
            self._run_dir,
            reporter.attempts,
            {
                "name": self._options.name,
                "steps": self._steps,
                "epochs": math.ceil(self._steps / self._per_epoch),
                "final_loss": so_far.loss,
                "best_epoch": so_far.best_epoch or None,
                "best_step": so_far.best_step or None,
                "best_held_out_loss": so_far.best_loss if so_far.best_step else None,
                "model_is_of": "best" if self._options.keep_best else "last",
                "items": self._parts.train.n_items,
                "held_out_items": self._parts.aside.n_items if self._parts.aside else 0,
                "unreadable_items": list(unreadable),
                "parameters": sum(parameter.numel() for parameter in model.parameters()),
                "model_sha256": weights,
                "settings": asdict(self._options),
                "versions": installed_versions(LIBRARIES),
            },
        )

    def _take(self, snapshot: str) -> None:
        path = self._snapshots.folder / snapshot
        self._learner.load_weights(read_checkpoint(path).value["model"], where=str(path))

    def _write_model(self, folder: Path, name: str, what: str) -> str:
        """Write the weights that the model has now; their SHA-256."""
        dataset = self._plan["settings"].get("dataset")
        facts = self._parts.facts
        source = f"trained by run {self._options.name} from {facts.source or facts.name}"
        written = save_video_clip(
            self._learner.model,
            self._parts.tokenizer,
            folder,
            facts=replace(
                facts,
                name=name,
                source=f"{source}, {what}" if what else source,
                num_frames=self._options.num_frames,
                trained_on=tuple(dict.fromkeys([*facts.trained_on, *([dataset] if dataset else [])])),
                settings=self._options.what_counts,
            ),
        )
        return written.weights_sha256


def _snapshot_of(epoch: int) -> str:
    return f"epoch_{epoch}.pt"
