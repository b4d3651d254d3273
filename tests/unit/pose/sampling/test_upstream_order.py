"""What our sampling is measured against does what MARDM does."""

import pytest
import torch
from torch import Tensor

from tests.bench.pose.upstream_order import Field, dopri5, generate
from tests.unit.pose.nets.golden_nets import distance, small_mardm
from tests.unit.pose.sampling.golden_runs import golden_run


@pytest.mark.parametrize("name", ["A", "C"])  # in the third the lengths differ, which the baseline leaves out
def test_the_baseline_gives_the_golden_latents(name: str) -> None:
    model, run = small_mardm(), golden_run("sit", name)
    torch.manual_seed(3407)
    steps, cfg = run.sampling.time_steps, run.sampling.cfg
    latents = generate(model, run.text, run.order.shape[1], dopri5, time_steps=steps, cfg=cfg)
    assert distance(latents, run.latents) < 1e-3


def test_the_baseline_samples_47_rows_of_16_frames_in_both_halves() -> None:
    rows = []

    def count(_: Field, x: Tensor) -> Tensor:
        rows.append(len(x))
        return x

    generate(small_mardm(), torch.zeros(8, 40), 4, count)
    assert len(rows) == 18
    assert sum(rows) == 8 * 2 * 47
