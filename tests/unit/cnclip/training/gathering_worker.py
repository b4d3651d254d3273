"""A process of the test of gathering: python -m ... SETTINGS.json writes loss and gradients, with and without it."""

import json
from pathlib import Path

import torch

from scripts.cnclip.training.distillation import Distiller, TeacherRows
from scripts.cnclip.training.learner import Learner
from scripts.shared.training.launch import worker_main
from scripts.shared.training.processes import Processes, from_environment
from tests.unit.cnclip.training.golden_runs import golden_model, golden_pairs, options


class Lonely(Processes):
    """Sees its own rows alone: what plain data parallelism does."""

    def __init__(self, of: Processes) -> None:
        super().__init__(0, of.n, of.device)

    def gather_rows(self, rows: torch.Tensor) -> torch.Tensor:
        return rows.detach()


def gradients(processes: Processes, *, kd: str, chunk_size: int, dropout: float = 0.0) -> dict[str, torch.Tensor]:
    """Loss and gradients of the six golden pairs, this process having its share."""
    rank, n = torch.distributed.get_rank() if processes.n > 1 else 0, processes.n
    chosen = options(processes=n, chunk_size=chunk_size, text_dropout=dropout, kd={"name": kd, "teacher": "t"})
    rows = torch.nn.functional.normalize(torch.randn(2, 6, 28, generator=torch.Generator().manual_seed(0)), dim=-1)
    own = slice(rank * chosen.share, (rank + 1) * chosen.share)
    distiller = (
        Distiller(chosen.kd, teacher_scale=10.0, student_dim=20, teacher_dim=28, seed=0) if kd != "none" else None
    )
    learner = Learner(golden_model(), chosen, processes, distiller)
    learner.optimizer.step = lambda: None  # type: ignore[method-assign, assignment]
    teacher = TeacherRows(rows[0][own], rows[1][own]) if distiller else None
    loss = learner.learn(golden_pairs(own), 0, 1e-3, teacher).total
    found = {"loss": loss} | {
        name: parameter.grad for name, parameter in learner.model.named_parameters() if parameter.grad is not None
    }
    if distiller and distiller.projector is not None and distiller.projector.grad is not None:
        found["projector"] = distiller.projector.grad
    return found


def _train(settings: Path) -> None:
    torch.set_num_threads(1)
    out = Path(json.loads(settings.read_text())["out"])
    with from_environment(lambda _: torch.device("cpu")) as processes:
        found = {
            "none": gradients(processes, kd="none", chunk_size=0),
            "chunks": gradients(processes, kd="none", chunk_size=2),
            "kl_feat": gradients(processes, kd="kl_feat", chunk_size=0),
            "lonely": gradients(Lonely(processes), kd="none", chunk_size=0),
        }
        torch.save(found, out / f"{processes.rank}.pt")


if __name__ == "__main__":
    worker_main(_train)
