"""Gradients against upstream's, and the same ones from any number of chunks."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from scripts.cnclip.training.learner import Learner
from scripts.shared.training.processes import Processes
from tests.cnclip_models import golden_model
from tests.unit.cnclip.training.golden_runs import golden, golden_pairs, gradients_of, options

_NOISE = "attention.self.key.bias"  # its gradient is truly zero


class NoStep(Learner):
    """Leaves the gradients where they are."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.optimizer.step = lambda: None  # type: ignore[method-assign, assignment]


def learnt(**changed: Any) -> tuple[dict[str, torch.Tensor], float]:
    """Gradients of a step on the six pairs, and its loss."""
    torch.set_num_threads(1)
    learner = NoStep(golden_model(), options(**changed), Processes.single())
    losses = learner.learn(golden_pairs(), 0, 1e-3)
    return gradients_of(learner.model), losses.total.item()


def distance(found: dict[str, torch.Tensor], kind: str, *, scale: float = 1.0) -> float:
    """The largest relative difference of a gradient's norm, and of the gradients that are there in full."""
    wanted = golden("accum_golden")
    apart = []
    for name, norm in zip(wanted["grad_names"], wanted[f"{kind}/grad_norms"], strict=True):
        if _NOISE not in name:
            factor = scale if name == "logit_scale" else 1.0
            apart.append(abs(factor * found[name].norm().item() - norm) / norm)
        if f"{kind}/{name}" in wanted and name != "logit_scale":
            full = wanted[f"{kind}/{name}"]
            apart.append(np.abs(found[name].numpy() - full).max() / np.abs(full).max())
    return max(apart)


@pytest.mark.parametrize(("kind", "chunk_size", "factor"), [("full", 0, 1), ("accum2", 3, 2), ("accum3", 2, 3)])
def test_gradients_are_upstreams(kind: str, chunk_size: int, factor: int) -> None:
    found, loss = learnt(chunk_size=chunk_size)
    assert math.isclose(loss, golden("accum_golden")["loss_full"], rel_tol=2e-5)
    # Upstream's gradient of the scale is as many times too large as it accumulates; ours is that of the whole batch.
    assert distance(found, kind, scale=factor) < 1e-4


def test_the_scale_is_not_learnt_faster_with_chunks() -> None:
    whole, parts = (learnt(chunk_size=size)[0]["logit_scale"].item() for size in (0, 2))
    assert math.isclose(parts, whole, rel_tol=1e-5)
    assert math.isclose(golden("accum_golden")["accum3/logit_scale"], 3 * parts, rel_tol=1e-4)


def test_chunks_that_do_not_see_each_other_are_told() -> None:
    found, _ = learnt(chunk_size=3)
    assert distance(found, "naive2") > 0.3


@pytest.mark.parametrize("chunk_size", [1, 2, 3, 4, 5])
def test_the_size_of_chunks_changes_nothing(chunk_size: int) -> None:
    whole, loss = learnt()
    found, same = learnt(chunk_size=chunk_size)
    assert math.isclose(loss, same, rel_tol=1e-6)
    for name, gradient in whole.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6)


def test_what_dropout_drops_is_the_same_in_both_passes_and_not_in_every_step() -> None:
    learner = NoStep(golden_model(), options(chunk_size=3, text_dropout=0.5), Processes.single())
    pairs = golden_pairs()

    def rows(step: int, chunk: int) -> torch.Tensor:
        with learner._draws(step, chunk):
            return learner._rows(pairs, slice(0, 3))[1]

    with torch.no_grad():
        first = rows(4, 1)
    assert torch.equal(first, rows(4, 1))
    assert not torch.equal(first, rows(5, 1))
    assert not torch.equal(first, rows(4, 0))


def test_a_frozen_image_encoder_gets_no_gradient_and_the_texts_keep_theirs() -> None:
    torch.set_num_threads(1)
    whole, _ = learnt()
    for chunk_size in (0, 2):
        learner = NoStep(golden_model(), options(freeze_vision=True, chunk_size=chunk_size), Processes.single())
        learner.learn(golden_pairs(), 0, 1e-3)
        assert learner.model.visual_projection.weight.grad is None
        assert all(parameter.grad is None for parameter in learner.model.vision_model.parameters())
        found = learner.model.text_projection.weight.grad
        assert found is not None
        torch.testing.assert_close(found.T, whole["text_projection"], rtol=1e-4, atol=1e-6)


def test_gradient_checkpointing_changes_nothing() -> None:
    whole, _ = learnt()
    found, _ = learnt(gradient_checkpointing=True)
    for name, gradient in whole.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-5, atol=1e-7)


def test_bf16_is_near_fp32() -> None:
    whole, loss = learnt()
    found, near = learnt(precision="bf16", chunk_size=2)
    assert 0 < abs(near - loss) < 0.05
    cosine = torch.cosine_similarity(found["visual.proj"].flatten(), whole["visual.proj"].flatten(), dim=0)
    assert cosine > 0.98
