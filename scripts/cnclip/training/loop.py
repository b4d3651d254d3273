"""The loop of a training, as each of its processes runs it."""

import json
import logging
import math
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from scripts.cnclip.model_files.folder import save_model, vocabulary_of
from scripts.cnclip.training import batches
from scripts.cnclip.training.assembling import Parts, put_together
from scripts.cnclip.training.loading import Pairs
from scripts.cnclip.training.options import RunOptions, run_options
from scripts.cnclip.training.reporter import Reporter
from scripts.cnclip.training.step import Losses
from scripts.shared.errors import ConfigError, JobError, StoppedError
from scripts.shared.packages import installed_version
from scripts.shared.stop_request import StopRequest
from scripts.shared.training import run_folder
from scripts.shared.training.checkpoints import CheckpointFolder, read_checkpoint
from scripts.shared.training.loading import loaded
from scripts.shared.training.processes import Processes, device_name
from scripts.shared.training.run_record import PeakMemory, peak_memory, write_record
from scripts.shared.training.schedule import is_due, warmup_cosine
from scripts.shared.training.so_far import SoFar
from scripts.shared.training.taking_part import Unreadable, taking_part

LATEST, BEST = "epoch_latest.pt", "epoch_best.pt"
_SO_FAR = "so_far"  # in a checkpoint, beside what upstream has there
_LIBRARIES = ("torch", "transformers", "numpy", "pillow", "lmdb")

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
    where = f"cnclip.runs.{options.name}"
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
            run_folder.checkpoints_dir(self._run_dir), parts.identity, label=options.name
        )
        self._per_epoch = batches.steps_per_epoch(parts.n_pairs, options.batch_size)
        self._steps = batches.n_steps(parts.n_pairs, options.batch_size, options.epochs, options.max_steps)
        self._so_far = SoFar()
        self._unreadable = Unreadable(options.name)

    def run(self) -> None:
        """Go on from the newest checkpoint to the end, and write the model.

        Raises:
            StoppedError: asked to end; a checkpoint was left.
            JobError: the loss is no number any more.
        """
        done = self._resume()
        device = self._processes.device
        if self._options.warmup >= self._steps:
            log.warning(
                "[%s] warmup: %d steps are all of the training's %d, so its rate never falls; set fewer",
                *(self._options.name, self._options.warmup, self._steps),
            )
        shares = batches.shares(
            self._parts.n_pairs,
            batch_size=self._options.batch_size,
            seed=self._options.seed,
            steps=range(done, self._steps),
            rank=self._processes.rank,
            processes=self._processes.n,
        )
        source = loaded(self._parts.reader, shares, workers=self._options.loader_workers, pin=device.type == "cuda")
        with self._reporter(done) if self._processes.first else nullcontext() as reporter:
            for step in range(done, self._steps):
                began = time.monotonic()
                pairs = next(source)
                data_s = time.monotonic() - began
                lr = warmup_cosine(step, lr=self._options.lr, warmup=self._options.warmup, total=self._steps)
                losses = self._learn(step, pairs, lr)
                if reporter:
                    scale = self._learner.model.logit_scale
                    loss = reporter.step(step + 1, losses, lr=lr, logit_scale=scale, data_s=data_s)
                    self._refuse_non_finite(loss, step + 1)
                self._after(step + 1, losses, reporter)
            self._finish(reporter)

    def _reporter(self, done: int) -> Reporter:
        return Reporter(
            self._run_dir,
            self._options,
            n_pairs=self._parts.n_pairs,
            per_epoch=self._per_epoch,
            steps=self._steps,
            done=done,
            identity=self._parts.identity,
            device=device_name(self._processes.device),
        )

    def _resume(self) -> int:
        """Take up the newest checkpoint; steps taken before it."""
        found = self._checkpoints.newest() if self._processes.first else None
        path = self._processes.share(str(found.path) if found else "")
        if not path:
            return 0
        held = found or read_checkpoint(Path(path))
        self._learner.restore(held.value, where=path)
        self._so_far = SoFar(**held.value[_SO_FAR])
        self._unreadable = Unreadable(self._options.name, self._so_far.unreadable)
        log.info("[%s] goes on after %d of %d steps, from %s", self._options.name, held.step, self._steps, path)
        return held.step

    def _learn(self, step: int, pairs: Pairs, lr: float) -> Losses:
        self._unreadable.tell(pairs.unreadable)
        device = self._processes.device
        on_device = pairs.on(device)
        taught = self._parts.teacher.rows(on_device, device) if self._parts.teacher else None
        return self._learner.learn(on_device, step, lr, taught)

    def _after(self, taken: int, losses: Losses, reporter: Reporter | None) -> None:
        """Validate, save and end where it is time."""
        options = self._options
        epoch = -(-taken // self._per_epoch)
        whole_epoch = taken % self._per_epoch == 0
        at_end = whole_epoch or taken == self._steps
        best, others = [], []
        if self._parts.validation and (at_end or is_due(taken, options.valid_step_interval)):
            found = self._parts.validation(self._learner, self._unreadable.tell)
            if reporter:
                reporter.validated(taken, found)
            if found.loss < self._so_far.best_loss:
                self._so_far = replace(self._so_far, best_loss=found.loss, best_step=taken, best_epoch=epoch)
                # First of a step's checkpoints: each of them may be gone on from, and all speak of this one.
                best = [(BEST, True)] if options.keep == "best" else []
        stopping = self._processes.any(self._stop())
        if whole_epoch and is_due(epoch, options.save_epoch_interval):
            others.append((f"epoch{epoch}.pt", True))
        if is_due(taken, options.save_step_interval):
            others.append((f"epoch_{epoch}_{taken}.pt", False))
        if others or at_end or stopping:
            others.append((LATEST, True))
        if best or others:
            self._save([*best, *others], taken, losses, reporter)
        if stopping and taken < self._steps:
            if reporter:
                reporter.attempts.step(taken, last=True)
            raise StoppedError(
                f"[{options.name}] asked to end by {self._stop.by or 'another process'} after {taken} of {self._steps} "
                "steps; the same command goes on"
            )

    def _save(self, names: list[tuple[str, bool]], taken: int, losses: Losses, reporter: Reporter | None) -> None:
        """Write a checkpoint under some names, each with whether it stays."""
        unreadable = self._unreadable.anywhere(self._processes)
        if not reporter:
            return
        loss = losses.total.item()
        self._refuse_non_finite(loss, taken)
        self._so_far = replace(self._so_far, loss=loss, unreadable=unreadable)
        reporter.saving()
        epochs_done = taken // self._per_epoch
        value = self._learner.checkpoint(epoch=epochs_done, step=taken, name=self._options.name)
        value[_SO_FAR] = asdict(self._so_far)
        for name, lasting in names:
            self._checkpoints.save(name, value, step=taken, lasting=lasting)

    def _refuse_non_finite(self, loss: float | None, taken: int) -> None:
        if loss is not None and not math.isfinite(loss):
            raise JobError(
                f"[{self._options.name}] the loss is {loss} after {taken} steps: the training broke down, and no "
                "checkpoint of that is kept; lower lr, raise warmup, or set precision: fp32"
            )

    def _finish(self, reporter: Reporter | None) -> None:
        """Write the model and what the run took."""
        peaks = self._processes.gather(peak_memory())
        n_unreadable = len(self._unreadable.anywhere(self._processes))
        if not reporter:
            return
        options, facts = self._options, self._parts.facts
        best = bool(self._so_far.best_step) and options.keep == "best" and self._take_best()
        dataset = self._plan["settings"].get("dataset")
        saved = save_model(
            self._learner.model,
            run_folder.model_dir(self._run_dir),
            vocab=vocabulary_of(Path(self._plan["init"])),
            facts=replace(
                facts,
                name=options.name,
                source=f"trained by run {options.name} from {facts.name}",
                trained_on=tuple(dict.fromkeys([*facts.trained_on, *([dataset] if dataset else [])])),
                context_length=options.context_length,
            ),
        )
        peak = PeakMemory(sum(one.host_bytes for one in peaks), max(one.gpu_bytes for one in peaks))
        reporter.attempts.step(self._steps, peak=peak, last=True)
        write_record(
            self._run_dir,
            reporter.attempts,
            {
                "name": options.name,
                "steps": self._steps,
                "epochs": -(-self._steps // self._per_epoch),
                "final_loss": self._so_far.loss,
                "best_epoch": self._so_far.best_epoch or None,
                "best_step": self._so_far.best_step or None,
                "best_validation_loss": self._so_far.best_loss if self._so_far.best_step else None,
                "model_is_of": "best" if best else "last",
                "pairs": self._parts.n_pairs,
                "unreadable_pairs": n_unreadable,
                "parameters": sum(parameter.numel() for parameter in self._learner.model.parameters()),
                "model_sha256": saved.weights_sha256,
                "settings": asdict(options),
                "versions": {library: installed_version(library) for library in _LIBRARIES},
            },
        )

    def _take_best(self) -> bool:
        """Load the weights of the best validation; whether they could be had."""
        path = self._checkpoints.folder / BEST
        try:
            held = read_checkpoint(path)
        except ConfigError as error:
            log.warning("[%s] the last weights are taken, not the best: %s", self._options.name, error)
            return False
        if held.step != self._so_far.best_step:
            log.warning(
                "[%s] the last weights are taken, not the best: %s is of another step", self._options.name, path
            )
            return False
        self._learner.load_weights(held.value["state_dict"], where=str(path))
        return True
