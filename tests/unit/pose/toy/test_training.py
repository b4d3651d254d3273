from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from scripts.pose.model_files.model_file import load_model
from scripts.pose.toy import training
from scripts.pose.toy.control import shuffle_captions
from scripts.pose.toy.motions import Clip
from scripts.pose.toy.recipe import recipe_identity
from scripts.pose.toy.training import retrain_denoiser, train, train_tiny
from tests.unit.pose.toy.demo import CAPTIONS, FEW_STEPS, MOTIONS, encode

_FEWEST = replace(FEW_STEPS, ae_steps=8, steps=8)


class _Encoder:
    encode = staticmethod(encode)


def test_the_same_training_gives_the_same_file_whatever_was_drawn_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "MiniLm", _Encoder)
    models = []
    for name in ("once", "twice"):
        models.append(tmp_path / f"{name}.safetensors")
        trained = train_tiny(MOTIONS, CAPTIONS, models[-1], seed=5, recipe=_FEWEST)
        torch.rand(7)
    assert models[0].read_bytes() == models[1].read_bytes()
    identity = recipe_identity(MOTIONS, CAPTIONS, 5, _FEWEST)
    loaded = load_model(models[0], kind="sit", skeleton="t2m", identity=identity, device="cpu")
    assert loaded.text_encoder == "minilm"
    assert np.array_equal(loaded.mean, trained.model.mean)
    for part in ("autoencoder", "mardm"):
        weights, expected = (getattr(model, part).state_dict() for model in (loaded, trained.model))
        assert all(torch.equal(weights[key], expected[key]) for key in expected)


def test_another_seed_gives_other_weights_and_both_losses_fall(clips: list[Clip]) -> None:
    some, others = (train(clips, encode, seed=seed, recipe=FEW_STEPS) for seed in (1, 2))
    for losses in (some.autoencoder_losses, some.denoiser_losses):
        assert len(losses) == 120
        assert np.mean(losses[-20:]) < 0.85 * np.mean(losses[:20])
    assert some.autoencoder_losses != others.autoencoder_losses
    assert not torch.equal(some.model.mardm.cond_emb.weight, others.model.mardm.cond_emb.weight)


def test_training_leaves_torchs_own_generator_as_it_was(clips: list[Clip]) -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    train(clips[:2], encode, seed=1, recipe=_FEWEST)
    assert torch.equal(torch.rand(3), expected)


def test_captions_have_no_part_in_the_autoencoder_so_that_the_denoiser_can_be_trained_again_alone(
    clips: list[Clip],
) -> None:
    dealt = shuffle_captions(clips, seed=0)
    whole = train(dealt, encode, seed=1, recipe=_FEWEST).model
    again = retrain_denoiser(train(clips, encode, seed=1, recipe=_FEWEST).model, dealt, encode, seed=1, recipe=_FEWEST)
    for part in ("autoencoder", "mardm"):
        weights, expected = (getattr(model, part).state_dict() for model in (again, whole))
        assert all(torch.equal(weights[key], expected[key]) for key in expected)
