"""A small training that uses all that trainings share: milliseconds a step.

python -m tests.toy_training SETTINGS.json
"""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from scripts.shared.errors import StoppedError
from scripts.shared.stop_request import StopRequest
from scripts.shared.training import run_folder
from scripts.shared.training.checkpoints import CheckpointFolder, read_checkpoint
from scripts.shared.training.determinism import keyed_generator, make_deterministic, seeded_draws
from scripts.shared.training.launch import worker_main
from scripts.shared.training.metrics_log import MetricsLog
from scripts.shared.training.processes import Processes, from_environment
from scripts.shared.training.progress_file import TrainingProgress
from scripts.shared.training.run_record import Attempts, write_record
from scripts.shared.training.schedule import warmup_cosine

SEED, N_ROWS, BATCH, EPOCH_STEPS, STEPS = 7, 24, 8, 3, 12
IDENTITY = "0123456789abcdef"


def train(
    run_dir: Path,
    processes: Processes,
    *,
    stop: Callable[[], bool] = lambda: False,
    moment: Callable[[str, int], None] = lambda _what, _step: None,
    save_every: int = 2,
    dropout: float = 0.3,
    identity: str = IDENTITY,
) -> None:
    """Train, from the newest checkpoint on.

    The loss looks at all rows of the batch together, as contrastive losses do.

    Args:
        moment: called between what is done in a step: where tests kill.
    """
    make_deterministic(SEED)
    layers = torch.nn.Linear(5, 16), torch.nn.Dropout(dropout), torch.nn.Linear(16, 1)
    model = torch.nn.Sequential(*layers)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    rows = torch.randn(N_ROWS, 5, generator=keyed_generator(SEED, "rows"))
    wanted = rows.sum(1, keepdim=True)
    folder = CheckpointFolder(run_folder.checkpoints_dir(run_dir), identity)
    found = folder.newest() if processes.first else None
    path = processes.share(found and str(found.path))
    begin = 0
    if path:
        checkpoint = found or read_checkpoint(Path(path))
        model.load_state_dict(checkpoint.value["model"])
        optimizer.load_state_dict(checkpoint.value["optimizer"])
        begin = checkpoint.step
    metrics = MetricsLog(run_dir, after_step=begin) if processes.first else None
    progress = TrainingProgress(
        run_folder.progress_file(run_dir), epochs=STEPS // EPOCH_STEPS, steps=STEPS, done=begin, every_s=0
    )
    attempts = Attempts(run_dir, identity=identity, from_step=begin, device="cpu") if processes.first else None
    loss = torch.zeros(())
    for step in range(begin, STEPS):
        epoch, place = divmod(step, EPOCH_STEPS)
        order = torch.randperm(N_ROWS, generator=keyed_generator(SEED, "order", epoch))
        batch = order[place * BATCH : (place + 1) * BATCH].chunk(processes.n)[processes.rank]
        lr = warmup_cosine(step, lr=0.1, warmup=2, total=STEPS)
        optimizer.param_groups[0]["lr"] = lr
        with seeded_draws(SEED, "dropout", step, processes.rank, device=processes.device):
            mine = model(rows[batch])
        together = processes.gather_rows(mine).requires_grad_()
        wanted_of_all = processes.gather_rows(wanted[batch])
        loss = (together - wanted_of_all).square().mean() + together.mean().square() + (together @ together.T).std()
        (gradient,) = torch.autograd.grad(loss, together)
        optimizer.zero_grad()
        mine.backward(gradient[len(batch) * processes.rank :][: len(batch)])
        processes.sum_(parameter.grad for parameter in model.parameters() if parameter.grad is not None)
        optimizer.step()
        moment("stepped", step + 1)
        ending = processes.any(stop())
        if metrics is not None and attempts is not None:
            metrics.row(step + 1, {"epoch": epoch + 1, "loss": loss.item(), "lr": lr})
            moment("measured", step + 1)
            progress.step(epoch=epoch + 1, step=step + 1, loss=loss.item(), lr=lr)
            attempts.step(step + 1)
            if (step + 1) % save_every == 0 or step + 1 == STEPS or ending:
                metrics.sync()
                value = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch + 1}
                folder.save(f"step_{step + 1}.pt", value, step=step + 1)
                moment("saved", step + 1)
        if ending and step + 1 < STEPS:
            raise StoppedError(f"asked to end after step {step + 1}")
    if metrics is not None and attempts is not None:
        metrics.close()
        attempts.step(STEPS, last=True)
        write_record(run_dir, attempts, {"steps": STEPS, "final_loss": loss.item()})


def end_state(run_dir: Path) -> dict[str, Any]:
    """What the last checkpoint holds, each tensor as its bytes, and the metrics."""
    checkpoint = read_checkpoint(run_folder.checkpoints_dir(run_dir) / f"step_{STEPS}.pt")
    moments = checkpoint.value["optimizer"]["state"]
    state = {name: tensor.numpy().tobytes() for name, tensor in checkpoint.value["model"].items()}
    state |= {f"{n}/{name}": value.numpy().tobytes() for n, held in moments.items() for name, value in held.items()}
    return {**state, "metrics": run_folder.metrics_file(run_dir).read_bytes()}


def work(settings: Path) -> None:
    """Be one process of the training that a file asks for."""
    asked = json.loads(settings.read_text(encoding="utf-8"))
    run_dir = Path(asked["run_dir"])

    def moment(what: str, step: int) -> None:
        if processes.rank == asked.get("fails") and (what, step) == ("stepped", 7):
            raise ZeroDivisionError("by zero, of all things")
        if asked.get("ends") and (what, step) == ("measured", 2):
            os.kill(os.getpid(), signal.SIGTERM)

    with from_environment() as processes, StopRequest(run_folder.stop_file(run_dir)) as stop:
        if not processes.first:
            train(run_dir, processes, stop=stop, moment=moment, save_every=5, dropout=0.0)
            return
        with run_folder.run_held(run_dir, label="toy", stop=stop):
            train(run_dir, processes, stop=stop, moment=moment, save_every=5, dropout=0.0)


if __name__ == "__main__":
    worker_main(work)
