"""Two gloo processes on the CPU against one."""

from pathlib import Path
from typing import Any

import pytest
import torch

from scripts.cnclip.training.distillation import Distiller, TeacherRows
from scripts.cnclip.training.learner import Learner
from scripts.shared.training.processes import Processes, from_environment
from tests.cnclip_models import golden_model
from tests.forked import in_processes
from tests.unit.cnclip.training.golden_runs import golden_pairs, options

Found = dict[str, dict[str, torch.Tensor]]


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


def find(out: Path) -> None:
    """Write what this one of two processes finds, with and without the gathering."""
    torch.set_num_threads(1)
    with from_environment(lambda _: torch.device("cpu")) as processes:
        found = {
            "none": gradients(processes, kd="none", chunk_size=0),
            "chunks": gradients(processes, kd="none", chunk_size=2),
            "kl_feat": gradients(processes, kd="kl_feat", chunk_size=0),
            "lonely": gradients(Lonely(processes), kd="none", chunk_size=0),
        }
        torch.save(found, out / f"{processes.rank}.pt")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[Found]:
    """What each of two processes found."""
    out = tmp_path_factory.mktemp("gathering")
    assert in_processes(2, lambda: find(out)) == [0, 0]
    return [torch.load(out / f"{rank}.pt", weights_only=True) for rank in range(2)]


def apart(found: dict[str, torch.Tensor], **chosen: Any) -> float:
    """The largest difference of the loss and of any gradient from those of one process alone, relative above 1."""
    torch.set_num_threads(1)
    alone = gradients(Processes.single(), **chosen)
    assert found.keys() == alone.keys()
    return max(
        ((found[name] - alone[name]).abs().max() / alone[name].abs().max().clamp(min=1)).item() for name in alone
    )


# The divergence is weighed with T^2 = 16, and its rounding errors too.
@pytest.mark.parametrize(
    ("name", "kd", "most"), [("none", "none", 1e-6), ("chunks", "none", 1e-6), ("kl_feat", "kl_feat", 1e-5)]
)
def test_two_processes_are_as_one(both: list[Found], name: str, kd: str, most: float) -> None:
    for found in both:
        assert apart(found[name], kd=kd, chunk_size=0) < most


def test_both_processes_have_the_same_bits(both: list[Found]) -> None:
    one, other = both
    for name in ("none", "chunks", "kl_feat"):
        assert all(torch.equal(one[name][key], other[name][key]) for key in one[name])


def test_without_the_gathering_they_are_not_as_one(both: list[Found]) -> None:
    assert apart(both[0]["lonely"], kd="none", chunk_size=0) > 1e-2
