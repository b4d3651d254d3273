"""The checks of a GPU, tried on the CPU with small nets: they hold where all is well, and fail where they must."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from scripts.pose.sampling import generation
from scripts.pose.sampling.cuda_graph import Graphed
from tests.gpu import pose_checks
from tests.unit.pose.nets.golden_nets import small_mardm


class PlaceTells(Graphed):
    def __call__(self, *inputs: Tensor | None) -> Tensor:
        tokens = super().__call__(*inputs)
        return tokens * (1 + 2.0**-20 * torch.arange(len(tokens)))[:, None]


class FirstInputsTell(Graphed):
    first: Tensor | None = None

    def __call__(self, *inputs: Tensor | None) -> Tensor:
        self.first = inputs[0] if self.first is None else self.first
        return super().__call__(self.first, *inputs[1:])


class Rounds(Graphed):
    def __call__(self, *inputs: Tensor | None) -> Tensor:
        return super().__call__(*inputs).bfloat16().float()


@pytest.mark.parametrize(
    ("check", "graphed", "found"),
    [
        (pose_checks.check_golden_runs, Graphed, None),
        (pose_checks.check_golden_runs, Rounds, "from the CPU's"),
        (pose_checks.check_a_graph_gives_what_its_kernels_give, Graphed, None),
        (pose_checks.check_a_graph_gives_what_its_kernels_give, FirstInputsTell, "other bytes|inputs tell"),
        (pose_checks.check_latents_depend_on_their_caption_alone, Graphed, None),
        (pose_checks.check_latents_depend_on_their_caption_alone, PlaceTells, "the place tells"),
    ],
)
def test_a_card_that_samples_wrongly_is_found_out(
    check: Any, graphed: type[Graphed], found: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    small = {"DEVICE": "cpu", "_CHANNELS": 32, "_TEXT": 40, "PRECISIONS": ("fp32",), "full_model": small_mardm}
    for name, value in small.items():
        monkeypatch.setattr(pose_checks, name, value)
    made = iter([Graphed, graphed]) if check is pose_checks.check_golden_runs else iter(lambda: graphed, None)
    monkeypatch.setattr(generation, "Graphed", lambda compute: next(made)(compute))  # the first is the CPU's own
    monkeypatch.setitem(generation.ROWS, "cuda", 16)
    with pytest.raises(AssertionError, match=found) if found else nullcontext():
        assert check(tmp_path)
