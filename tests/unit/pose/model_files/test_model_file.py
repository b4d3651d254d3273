import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from scripts.pose.model_files.model_file import PoseModel, load_model, write_model
from scripts.shared.errors import ConfigError
from tests.pose_models import (
    SMALL_HEADS,
    small_ae_weights,
    small_estimator_weights,
    small_mardm_weights,
    small_mean_std,
    write_small_model,
)


def written(folder: Path, **options: object) -> tuple[Path, str]:
    path = folder / "model.safetensors"
    return path, write_small_model(path, **options)  # type: ignore[arg-type]


def loaded(path: Path, identity: str, *, kind: str = "sit", skeleton: str = "t2m") -> PoseModel:
    return load_model(path, kind=kind, skeleton=skeleton, identity=identity, device="cpu")


@pytest.mark.parametrize(("kind", "skeleton"), [("sit", "t2m"), ("ddpm", "kit")])
def test_a_model_comes_back_bit_for_bit(tmp_path: Path, kind: str, skeleton: str) -> None:
    path, identity = written(tmp_path, kind=kind, skeleton=skeleton, length_estimator=True, text_encoder="minilm")
    model = loaded(path, identity, kind=kind, skeleton=skeleton)
    assert model.length_estimator is not None
    for net, expected in (
        (model.autoencoder, small_ae_weights(skeleton)),
        (model.mardm, small_mardm_weights()),
        (model.length_estimator, small_estimator_weights()),
    ):
        state = net.state_dict()
        assert state.keys() == expected.keys()
        assert all(torch.equal(state[key], expected[key]) for key in expected)
        assert not net.training
    for found, wanted in zip((model.mean, model.std), small_mean_std(skeleton), strict=True):
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)
    assert (model.kind, model.skeleton, model.identity, model.text_encoder) == (kind, skeleton, identity, "minilm")
    assert model.mardm.sizes.heads == SMALL_HEADS


def test_equal_models_give_equal_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert written(tmp_path / "a")[0].read_bytes() == written(tmp_path / "b")[0].read_bytes()


def test_a_model_without_an_identity_gets_one_by_its_content(tmp_path: Path) -> None:
    path, identity = written(tmp_path)
    model = loaded(path, identity)
    model.mardm.cond_emb.bias.data = model.mardm.cond_emb.bias + 1e-6
    without = PoseModel(**(vars(model) | {"identity": ""}))
    write_model(tmp_path / "other.safetensors", without, sources={})
    with safe_open(tmp_path / "other.safetensors", "pt") as file:
        assert file.metadata()["identity"] not in ("", identity)


def test_every_weight_lies_at_a_multiple_of_64_bytes_with_and_without_the_length_estimator(tmp_path: Path) -> None:
    for estimator in (False, True):
        path, identity = written(tmp_path, length_estimator=estimator)
        for net in (loaded(path, identity).mardm, loaded(path, identity).autoencoder.decoder.model[0]):
            assert {weight.data_ptr() % 64 for weight in net.state_dict().values()} == {0}


def test_the_file_is_plain_safetensors(tmp_path: Path) -> None:
    path, _ = written(tmp_path)
    tensors = load_file(path)
    assert torch.equal(tensors["ae.decoder.model.6.bias"], small_ae_weights("t2m")["decoder.model.6.bias"])
    assert len(tensors) == len(small_ae_weights("t2m")) + len(small_mardm_weights()) + 2


def test_another_model_than_the_planned_one_is_refused(tmp_path: Path) -> None:
    path, identity = written(tmp_path)
    with pytest.raises(
        ConfigError, match=f"model.safetensors: holds the model {identity[:8]}, but 00000000 is planned"
    ):
        loaded(path, "0" * 32)
    with pytest.raises(ConfigError, match="model: ddpm is asked for"):
        loaded(path, identity, kind="ddpm")
    with pytest.raises(ConfigError, match="skeleton: kit is asked for"):
        loaded(path, identity, skeleton="kit")


@pytest.mark.parametrize("key", ["mean", "ae.encoder.model.4.weight", "mardm.mask_latent", "mardm.cond_emb.bias"])
def test_a_file_that_lacks_a_tensor_is_refused_with_its_key(tmp_path: Path, key: str) -> None:
    path, identity = written(tmp_path)
    tensors = load_file(path)
    del tensors[key]
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    save_file(tensors, tmp_path / "lacking.safetensors", metadata)
    with pytest.raises(ConfigError, match=rf"lacking\.safetensors.*{key.rpartition('mardm.')[2].removeprefix('ae.')}"):
        loaded(tmp_path / "lacking.safetensors", identity)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = written(tmp_path)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_small_model(path, kind="ddpm")
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.safetensors"]
