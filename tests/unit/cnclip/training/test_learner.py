"""Steps against upstream's train()."""

import math

import numpy as np
import pytest
import torch

from scripts.cnclip.model_files.official import PREFIX, to_official
from scripts.cnclip.training.learner import Learner
from scripts.shared.training.processes import Processes
from scripts.shared.training.schedule import warmup_cosine
from tests.cnclip_models import golden_model
from tests.unit.cnclip.training.golden_runs import golden, golden_pairs, options


def golden_learner() -> Learner:
    learner = Learner(golden_model(), options(batch_size=3), Processes.single())
    with torch.no_grad():
        learner.model.logit_scale.fill_(float(golden("train_golden")["logit_scale_start"]))
    return learner


def take_step(learner: Learner, step: int) -> float:
    wanted = golden("train_golden")
    lr = warmup_cosine(step, lr=1e-3, warmup=2, total=6)
    assert math.isclose(lr, wanted["lr"][step], rel_tol=1e-9)
    batch = wanted["batches"][step % 3]
    return learner.learn(golden_pairs(batch), step, lr).total.item()


def test_six_steps_are_upstreams() -> None:
    torch.set_num_threads(1)
    wanted = golden("train_golden")
    learner = golden_learner()
    for step in range(6):
        assert abs(take_step(learner, step) - wanted["loss"][step]) < 1e-3
        assert math.isclose(learner.model.logit_scale.item(), wanted["logit_scale_after"][step], abs_tol=1e-5)
    found = {name.removeprefix(PREFIX): value for name, value in to_official(learner.model.state_dict()).items()}
    for name in (key.removeprefix("after/") for key in wanted if key.startswith("after/")):
        if name == "word_embeddings_rows":
            continue
        if name == "word_embeddings_values":
            rows = torch.from_numpy(wanted["after/word_embeddings_rows"])
            values = found["bert.embeddings.word_embeddings.weight"][rows]
        else:
            values = found[name]
        assert np.abs(values.numpy() - wanted[f"after/{name}"]).max() < 1e-4
    # A bias of keys changes no attention, so AdamW moves it by nothing but noise.
    told = [name for name in wanted["names"] if not name.endswith(("in_proj_bias", "self.key.bias"))]
    kept = np.isin(wanted["names"], told)
    norms = [found[name].norm().item() for name in told]
    np.testing.assert_allclose(norms, wanted["param_norms_after"][kept], rtol=1e-5)
    start = {name.removeprefix(PREFIX): value for name, value in to_official(golden_model().state_dict()).items()}
    changed = [(found[name] - start[name]).norm().item() for name in told]
    np.testing.assert_allclose(changed, wanted["param_change_norms"][kept], rtol=1e-3, atol=1e-5)


def test_the_scale_is_clamped_after_the_step() -> None:
    learner = golden_learner()
    take_step(learner, 0)
    assert math.isclose(learner.model.logit_scale.item(), 4.6052, rel_tol=1e-6)


@pytest.mark.parametrize("name", ["kl_feat", "none"])
def test_a_learner_that_goes_on_from_a_checkpoint_gives_the_same_bits(name: str) -> None:
    from scripts.cnclip.training.distillation import Distiller, TeacherRows

    torch.set_num_threads(1)
    chosen = options(batch_size=3, kd={"name": name, "teacher": "t"})
    random = torch.Generator().manual_seed(0)
    rows = torch.nn.functional.normalize(torch.randn(2, 3, 28, generator=random), dim=-1)
    teacher = TeacherRows(rows[0], rows[1]) if name != "none" else None

    def new() -> Learner:
        distiller = (
            Distiller(chosen.kd, teacher_scale=20.0, student_dim=20, teacher_dim=28, seed=1) if teacher else None
        )
        return Learner(golden_model(), chosen, Processes.single(), distiller)

    whole = new()
    for step in range(2):
        whole.learn(golden_pairs(slice(0, 3)), step, 1e-3, teacher)
    value = whole.checkpoint(epoch=0, step=2, name="test")
    resumed = new()
    resumed.restore(value, where="test")
    for learner in (whole, resumed):
        learner.learn(golden_pairs(slice(3, 6)), 2, 1e-3, teacher)
    one, other = whole.checkpoint(epoch=0, step=3, name="test"), resumed.checkpoint(epoch=0, step=3, name="test")
    assert all(torch.equal(one["state_dict"][key], other["state_dict"][key]) for key in one["state_dict"])
    for number, held in one["optimizer"]["state"].items():
        assert all(torch.equal(held[key], other["optimizer"]["state"][number][key]) for key in held)
    assert ("distillation" in one) == (name != "none")
    if teacher:
        assert torch.equal(one["distillation"]["weight"], other["distillation"]["weight"])
        assert not torch.equal(one["distillation"]["weight"], new()._projector)
