"""What the training is measured against does what upstream does; the bench and the checks of a GPU run on the CPU."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from scripts.cnclip.model_files.architecture import config_sizes
from scripts.cnclip.model_files.official import PREFIX, to_official
from tests.bench.cnclip import bench_cnclip_training_gpu, training_step
from tests.bench.cnclip.upstream_step import UpstreamOrder, UpstreamStep
from tests.bench.table import NotMeasured
from tests.cnclip_models import golden_model
from tests.gpu import cnclip_checks
from tests.unit.cnclip.training.golden_runs import golden


@pytest.fixture(autouse=True)
def switches() -> Iterator[None]:
    """Leave torch as it was."""
    torch.set_num_threads(1)
    yield
    torch.use_deterministic_algorithms(False)


def baseline() -> UpstreamOrder:
    model = golden_model()
    order = UpstreamOrder(config_sizes(model.config), text_dropout=0.0)
    state = {name.removeprefix(PREFIX): tensor for name, tensor in to_official(model.state_dict()).items()}
    order.load_state_dict(state)
    return order


def test_the_baseline_gives_the_golden_features() -> None:
    wanted = golden("tiny_vit_golden")
    with torch.no_grad():
        images, texts, scale = baseline()(*(torch.from_numpy(wanted[name]) for name in ("pixel_values", "input_ids")))
    np.testing.assert_allclose(images, wanted["image_features_norm"], atol=1e-5)
    np.testing.assert_allclose(texts, wanted["text_features_norm"], atol=1e-5)
    np.testing.assert_allclose(scale, wanted["logit_scale_exp"], rtol=1e-6)


def test_a_step_of_the_baseline_has_the_golden_gradients() -> None:
    wanted = golden("accum_golden")
    step = UpstreamStep(baseline(), bf16=False)
    step._optimizer.step = lambda: None
    loss = step(*(torch.from_numpy(wanted[name]) for name in ("pixel_values", "input_ids")))
    assert abs(loss - wanted["loss_full"]) < 2e-5
    found = dict(step.model.named_parameters())
    for name, norm in zip(wanted["grad_names"], wanted["full/grad_norms"], strict=True):
        if "attention.self.key.bias" not in name:
            assert abs(found[name].grad.norm().item() / norm - 1) < 1e-4, name


def test_the_bench_has_a_row_for_each_way() -> None:
    rows = bench_cnclip_training_gpu.rows("cpu", "tiny", (4,), n_steps=1, rounds=1)
    tiny = training_step.ways(replace(training_step.OPTIONS, batch_size=4))
    assert [row[0] for row in rows] == [way.name for way in tiny]
    assert all(len(row) == len(bench_cnclip_training_gpu.EMPTY.columns) for row in rows)
    assert rows[0][3] == 1.0


def test_without_a_gpu_the_bench_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_cnclip_training_gpu, "why_no_gpu", lambda: "no GPU answers")
    with pytest.raises(NotMeasured, match="no GPU answers"):
        bench_cnclip_training_gpu.run()


@pytest.mark.parametrize("check", cnclip_checks.CHECKS, ids=lambda check: check.__name__)
def test_the_checks_of_a_gpu_hold_on_the_cpu(check: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"DEVICE": "cpu", "ARCHITECTURE": "tiny", "BATCH": 4}.items():
        monkeypatch.setattr(cnclip_checks, name, value)
    assert callable(check)
    assert check(tmp_path)
