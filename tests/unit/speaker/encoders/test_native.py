from pathlib import Path

import numpy as np
import pytest
import torch

from scripts.shared.errors import ConfigError
from scripts.speaker.encoders.encoder import DeviceMemoryError
from scripts.speaker.encoders.native import load_native, load_net
from scripts.speaker.encoders.torch_encoder import TorchEncoder
from scripts.speaker.export import cosine_distance
from tests.unit.speaker.encoders.conftest import GOLDEN, noise, write_bomb


def edit(model: Path, old: str, new: str) -> None:
    config = model / "config.yaml"
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))


def test_a_loaded_folder_gives_the_golden_embeddings() -> None:
    features, golden = np.load(GOLDEN / "golden_fbank.npz"), np.load(GOLDEN / "golden_embeddings.npz")
    for folder in ("resnet34", "resnet34_two_emb"):
        encoder = load_native(str(GOLDEN / folder), name=folder, device="cpu", precision="float32")
        found = encoder.embed(features["utt0/povey_unit_cmn"][None])
        assert cosine_distance(found, golden[f"{folder}/povey_unit"][:1]).max() < 1e-6


def test_a_pickle_bomb_is_refused_and_runs_nothing(model: Path) -> None:
    mark = model / "ran"
    write_bomb(model / "avg_model.pt", mark)
    with pytest.raises(
        ConfigError, match=r"avg_model\.pt: not loaded, and nothing in it was run.* asks for"
    ) as refused:
        load_net(model)
    assert "weights_only" not in str(refused.value)  # nobody is told how to run it after all
    assert not mark.exists()
    torch.load(model / "avg_model.pt", weights_only=False)  # and it is a bomb
    assert mark.exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", "half"])
def test_a_damaged_checkpoint_is_refused(model: Path, content: bytes | str) -> None:
    weights = model / "avg_model.pt"
    weights.write_bytes(weights.read_bytes()[:100_000] if content == "half" else content)
    with pytest.raises(ConfigError, match=r"avg_model\.pt: not loaded"):
        load_net(model)


@pytest.mark.parametrize("value", [[1, 2], {"epoch": 3}, torch.zeros(3)])
def test_a_checkpoint_without_tensors_by_key_is_refused(model: Path, value: object) -> None:
    torch.save(value, model / "avg_model.pt")
    with pytest.raises(ConfigError, match=r"avg_model\.pt: holds no table of tensors by key"):
        load_net(model)


def test_tensors_may_stand_under_state_dict(model: Path) -> None:
    tensors = torch.load(model / "avg_model.pt", weights_only=True)
    torch.save({"state_dict": tensors, "epoch": 3}, model / "avg_model.pt")
    load_net(model)


def test_the_weights_of_another_architecture_are_refused_by_their_keys(model: Path) -> None:
    (model / "avg_model.pt").write_bytes((GOLDEN / "ecapa_tdnn/avg_model.pt").read_bytes())
    told = (
        r"tiny: the weights are not those of ResNet34 .*\d+ missing: .*conv1\.weight.*; \d+ unexpected: layer1\.conv\."
    )
    with pytest.raises(ConfigError, match=told):
        load_net(model)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("model: ResNet34", "model: ReDimNetB2", r"model is 'ReDimNetB2'.* there are ResNet18, ResNet34"),
        ("model: ResNet34", "model: [ResNet34]", r"model must be a name"),
        ("model: ResNet34", "modell: ResNet34", r"model must be a name .* they are None"),
        ("model_args:", "model_args: !!python/object/apply:os.system", r"not a YAML file of plain values"),
        ("feat_dim: 80", "feat_dim: 40", r"takes 40 mel bands; only 80"),
        ("embed_dim: 32", "embed_dim: 33", r"another shape: seg_1\.weight \(32, 640\), not \(33, 640\)"),
        ("two_emb_layer: false", "two_emb_layer: true", r"missing: .*seg_2\.weight"),
        ("pooling_func: TSTP", "pooling_func: XI", r"pooling_func is 'XI'; known are"),
        ("dataset_args:", "dataset_args:\n  frontend: s3prl", r"dataset_args\.frontend is 's3prl'"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(model: Path, old: str, new: str, told: str) -> None:
    edit(model, old, new)
    with pytest.raises(ConfigError, match=told):
        load_net(model)


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "\0", "a: [", "é".encode("latin-1")])
def test_a_configuration_that_is_none_is_refused(model: Path, text: str | bytes) -> None:
    (model / "config.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ConfigError, match=r"config\.yaml: "):
        load_net(model)


def test_loading_sets_one_thread_and_leaves_no_norm_of_training() -> None:
    torch.set_num_threads(2)
    batch = noise(2, 30)
    embeddings = []
    for net in (load_net(GOLDEN / "resnet34"), load_net(GOLDEN / "resnet34").train()):
        embeddings.append(TorchEncoder(net, name="r", device="cpu", precision="float32").embed(batch))
        assert torch.get_num_threads() == 1
    assert np.array_equal(*embeddings)


def test_of_a_tuple_the_last_is_the_embedding() -> None:
    class Pair(torch.nn.Module):
        def forward(self, feats: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return torch.tensor(0.0), feats.mean(1)

    batch = noise(2, 30)
    encoder = TorchEncoder(Pair(), name="pair", device="cpu", precision="float32")
    assert np.allclose(encoder.embed(batch), batch.mean(1), atol=1e-6)


def test_a_full_device_is_told_from_other_failures() -> None:
    class Large(torch.nn.Module):
        def forward(self, feats: torch.Tensor) -> torch.Tensor:
            if len(feats) > 1:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return feats.mean(1)

    encoder = TorchEncoder(Large(), name="large", device="cpu", precision="float32")
    encoder.embed(noise(1, 30))
    with pytest.raises(DeviceMemoryError, match="out of memory"):
        encoder.embed(noise(2, 30))
