import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from scripts.cnclip.training.distillation import (
    Distiller,
    TeacherRows,
    interpolated_cosine,
    soft_label_divergence,
    stretching,
)
from scripts.cnclip.training.losses import contrast, similarities
from scripts.cnclip.training.options import Distillation
from scripts.cnclip.training.towers import LeanQuickGelu, image_rows, text_rows
from scripts.shared.errors import ConfigError
from tests.cnclip_models import golden_model
from tests.unit.cnclip.training.golden_runs import NO_TEACHER, golden, options


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    return functional.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def kd(name: str, **changed: float) -> Distillation:
    return Distillation(**{**NO_TEACHER, "name": name, "teacher": "t", **changed})  # type: ignore[arg-type]


def test_the_loss_and_accuracies_of_three_pairs_are_upstreams() -> None:
    wanted = golden("tiny_vit_golden")
    model = golden_model()
    with torch.no_grad():
        images = image_rows(model, torch.from_numpy(wanted["pixel_values"]))
        texts = text_rows(model, torch.from_numpy(wanted["input_ids"]))
        logits = similarities(images, texts, model.logit_scale)
        found = contrast(logits[:, :3])
    np.testing.assert_allclose(images, wanted["image_features_norm"], atol=1e-5)
    np.testing.assert_allclose(texts, wanted["text_features_norm"], atol=1e-5)
    np.testing.assert_allclose(logits, wanted["logits_per_image"], atol=2e-5)
    assert math.isclose(found.loss, wanted["loss_3_pairs"], abs_tol=2e-5)
    assert math.isclose(found.image_to_text, wanted["i2t_acc_3_pairs"], rel_tol=1e-6)
    assert math.isclose(found.text_to_image, wanted["t2i_acc_3_pairs"], rel_tol=1e-6)


def test_the_gradients_of_three_pairs_are_upstreams() -> None:
    from scripts.cnclip.training.learner import Learner
    from scripts.cnclip.training.loading import Pairs
    from scripts.shared.training.processes import Processes
    from tests.unit.cnclip.training.golden_runs import gradients_of

    wanted = golden("tiny_vit_golden")
    learner = Learner(golden_model(), options(batch_size=3), Processes.single())
    learner.optimizer.step = lambda: None  # type: ignore[method-assign, assignment]
    numbers = torch.arange(3)
    pixels, ids = (torch.from_numpy(wanted[name][:3]) for name in ("pixel_values", "input_ids_trimmed"))
    learner.learn(Pairs(pixels, ids, numbers, numbers, ()), 0, 1e-3)
    found = gradients_of(learner.model)
    for name, norm in zip(wanted["grad_names"], wanted["grad_norms"], strict=True):
        if "attention.self.key.bias" not in name:
            assert math.isclose(found[name].norm().item(), norm, rel_tol=1e-4), name
    for name in (key.removeprefix("grad/") for key in wanted if key.startswith("grad/")):
        full = wanted[f"grad/{name}"]
        assert np.abs(found[name].numpy() - full).max() < 1e-4 * np.abs(full).max(), name
    rows = found["bert.embeddings.word_embeddings.weight"][torch.from_numpy(wanted["grad_word_rows"])]
    np.testing.assert_allclose(rows, wanted["grad_word_values"], atol=1e-5)


def test_transformers_has_the_same_loss() -> None:
    wanted = golden("tiny_vit_golden")
    ids = torch.from_numpy(wanted["input_ids"][:3])
    model = golden_model()
    with torch.no_grad():
        theirs = model(
            input_ids=ids,
            attention_mask=(ids != 0).long(),
            pixel_values=torch.from_numpy(wanted["pixel_values"]),
            return_loss=True,
        )
        rows = image_rows(model, torch.from_numpy(wanted["pixel_values"])), text_rows(model, ids)
        ours = contrast(similarities(*rows, model.logit_scale)).loss
    assert math.isclose(ours, theirs.loss, abs_tol=2e-6)


@pytest.mark.parametrize("dim", [13, 20, 28, 32])
def test_cos_interp_is_upstreams(dim: int) -> None:
    wanted = golden("kd_golden")
    student, teacher = (torch.from_numpy(wanted[name]) for name in ("student", f"teacher{dim}"))
    assert math.isclose(interpolated_cosine(student, teacher), wanted[f"kd_loss{dim}"], abs_tol=1e-6)
    distiller = Distiller(kd("cos_interp"), teacher_scale=None, student_dim=20, teacher_dim=dim, seed=0)
    added = distiller(student, student, student @ student.T, TeacherRows(teacher, None))
    total = wanted["contrastive_loss"] + added.item()
    assert math.isclose(total, wanted[f"total_loss{dim}"], abs_tol=2e-6)


@pytest.mark.parametrize(("n_from", "n_to"), [(512, 768), (512, 1024), (20, 13), (7, 7)])
def test_the_product_that_stretches_is_linear_interpolation_and_so_is_its_gradient(n_from: int, n_to: int) -> None:
    rows = unit(5, n_from).requires_grad_()
    ours = rows @ stretching(n_from, n_to, rows.device)
    theirs = functional.interpolate(rows[None, None], size=(5, n_to), mode="bilinear", align_corners=False)[0, 0]
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)
    weights = unit(5, n_to, seed=1)
    (a,), (b,) = (torch.autograd.grad((of * weights).sum(), rows) for of in (ours, theirs))
    torch.testing.assert_close(a, b, atol=1e-6, rtol=0)


def test_the_divergence_is_that_of_the_formula() -> None:
    student, teacher = torch.randn(2, 5, 5, generator=torch.Generator().manual_seed(0)).double().numpy() * 8
    t = 4.0

    def rows(of: np.ndarray) -> np.ndarray:
        powers = np.exp(of / t)
        return powers / powers.sum(1, keepdims=True)

    def kl(p: np.ndarray, q: np.ndarray) -> float:
        return float((p * np.log(p / q)).sum(1).mean())

    wanted = t**2 * (kl(rows(teacher), rows(student)) + kl(rows(teacher.T), rows(student.T))) / 2
    found = soft_label_divergence(torch.from_numpy(student), torch.from_numpy(teacher), t)
    assert math.isclose(found, wanted, rel_tol=1e-10)
    assert soft_label_divergence(torch.from_numpy(student), torch.from_numpy(student), t).abs() < 1e-12


def test_a_student_that_is_its_teacher_loses_nothing_by_kl() -> None:
    images, texts = unit(4, 20), unit(4, 20, seed=1)
    distiller = Distiller(kd("kl"), teacher_scale=10.0, student_dim=20, teacher_dim=20, seed=0)
    assert distiller(images, texts, 10 * images @ texts.T, TeacherRows(images, texts)).abs() < 1e-5
    assert distiller(images, texts, 20 * images @ texts.T, TeacherRows(images, texts)) > 0.1


def test_kl_feat_pulls_both_sides_through_one_matrix() -> None:
    images, texts, teacher = unit(4, 20), unit(4, 20, seed=1), TeacherRows(unit(4, 28, seed=2), unit(4, 28, seed=3))
    options_ = kd("kl_feat", beta=0.7)
    distiller = Distiller(options_, teacher_scale=10.0, student_dim=20, teacher_dim=28, seed=0)
    plain = Distiller(kd("kl"), teacher_scale=10.0, student_dim=20, teacher_dim=28, seed=0)
    logits = 10 * images @ texts.T
    added = distiller(images, texts, logits, teacher) - plain(images, texts, logits, teacher)
    assert distiller.projector is not None
    assert teacher.texts is not None
    cosines = [
        functional.cosine_similarity(rows @ distiller.projector.T, goal).mean()
        for rows, goal in ((images, teacher.images), (texts, teacher.texts))
    ]
    wanted = 0.7 * (1 - (cosines[0] + cosines[1]).item() / 2)
    assert math.isclose(added.item(), wanted, rel_tol=1e-4)
    added.backward()
    assert distiller.projector.grad is not None
    assert distiller.projector.grad.abs().max() > 0


def test_the_lean_activation_is_quick_gelu() -> None:
    x = torch.linspace(-8, 8, 1001, dtype=torch.float64, requires_grad=True)
    ours, theirs = LeanQuickGelu()(x), x * torch.sigmoid(1.702 * x)
    torch.testing.assert_close(ours, theirs)
    (a,), (b,) = torch.autograd.grad(ours.sum(), x), torch.autograd.grad(theirs.sum(), x)
    torch.testing.assert_close(a, b)


def test_kl_feat_without_a_weight_is_refused() -> None:
    with pytest.raises(ConfigError, match="beta"):
        options(kd={"name": "kl_feat", "teacher": "t", "beta": 0.0})


def test_stored_features_and_changed_pictures_do_not_go_together() -> None:
    with pytest.raises(ConfigError, match=r"kd\.online"):
        options(augment=True, kd={"name": "kl", "teacher": "t"})
    assert options(augment=True, kd={"name": "kl", "teacher": "t", "online": True}).kd.online


def test_fp16_is_refused_with_its_reason() -> None:
    with pytest.raises(ConfigError, match="collapses"):
        options(precision="fp16")


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(ConfigError, match="batch_size"):
        options(processes=4)
