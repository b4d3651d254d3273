"""Two gloo processes on the CPU against one."""

import json
from typing import Any

import pytest
import torch

from scripts.shared.training.launch import run_processes
from scripts.shared.training.processes import Processes
from tests.unit.cnclip.training.gathering_worker import gradients

Found = dict[str, dict[str, torch.Tensor]]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[Found]:
    """What each of two processes found."""
    out = tmp_path_factory.mktemp("gathering")
    settings = out / "settings.json"
    settings.write_text(json.dumps({"out": str(out)}))
    run_processes("tests.unit.cnclip.training.gathering_worker", settings, 2, label="test")
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
