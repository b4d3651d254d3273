import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scripts.speaker.encoders.native import load_net
from scripts.speaker.export import cosine_distance
from scripts.speaker.nets.catalogue import NETS, make_net
from tests.unit.speaker.nets.formula_weights import formula_features, formula_weights

GOLDEN = Path("tests/data/golden/wespeaker")
FOLDERS = ("resnet34", "resnet34_two_emb", "simam_resnet34_asp", "ecapa_tdnn", "campplus", "eres2net")
UPSTREAM = json.loads((GOLDEN / "variants.json").read_text())


def embed(net: torch.nn.Module, feats: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return net(torch.from_numpy(feats)).numpy()


def net_on_no_device(model: str, model_args: dict[str, Any]) -> torch.nn.Module:
    with torch.device("meta"):
        return NETS[model](**model_args)


@pytest.mark.parametrize("front_end", ["hamming_int16", "povey_unit"])
@pytest.mark.parametrize("folder", FOLDERS)
def test_embeddings_are_those_of_wespeaker(folder: str, front_end: str) -> None:
    features, golden = np.load(GOLDEN / "golden_fbank.npz"), np.load(GOLDEN / "golden_embeddings.npz")
    wanted = golden[f"{folder}/{front_end}"]
    net = load_net(GOLDEN / folder)
    for i, expected in enumerate(wanted):
        stored = features[f"utt{i}/{'hamming_int16_raw' if front_end == 'hamming_int16' else 'povey_unit_cmn'}"]
        found = embed(net, (stored - stored.mean(0))[None])
        assert cosine_distance(found, expected[None]).max() <= 1e-6  # the bound is 1e-5
        assert np.abs(found / expected - 1).max() < 0.01  # a factor too is right


@pytest.mark.parametrize("title", UPSTREAM["variants"])
def test_variants_give_the_embeddings_of_wespeaker(title: str) -> None:
    variant = UPSTREAM["variants"][title]
    model, model_args = variant["model"], variant["model_args"]
    channels = {"m_channels": variant["m_channels"]} if model.startswith("ResNet") else {}
    shapes = {
        key: value.shape
        for key, value in net_on_no_device(model, model_args | channels).state_dict().items()
        if not key.endswith(".num_batches_tracked")
    }
    found = embed(make_net(model, model_args, formula_weights(shapes)), formula_features(50))
    assert found[0].tolist() == pytest.approx(variant["embedding"], rel=2e-4, abs=1e-4 * float(np.abs(found).max()))


@pytest.mark.parametrize("model", NETS)
def test_every_net_has_the_keys_and_parameters_of_wespeakers(model: str) -> None:
    upstream = UPSTREAM["layouts"][model]
    arguments = upstream["model_args"] | ({"m_channels": 32} if model.startswith("ResNet") else {})
    net = net_on_no_device(model, arguments)
    assert len(net.state_dict()) == upstream["keys"]
    assert sum(parameter.numel() for parameter in net.parameters()) == upstream["parameters"]


def test_a_checkpoint_without_counts_of_batches_and_in_half_precision_is_taken() -> None:
    tensors = torch.load(GOLDEN / "resnet34/avg_model.pt", weights_only=True)
    older = {key: value.half() for key, value in tensors.items() if not key.endswith("num_batches_tracked")}
    arguments = {"feat_dim": 80, "embed_dim": 32}
    feats = formula_features(40)
    whole, half = (embed(make_net("ResNet34", arguments, weights), feats) for weights in (tensors, older))
    assert whole.dtype == half.dtype == np.float32
    assert cosine_distance(whole, half).max() < 1e-4


def test_an_unknown_model_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'Res2Net34_Base'.*there are .*ResNet34.*CAMPPlus.*ERes2Net34_Base"):
        make_net("Res2Net34_Base", {}, {})


@pytest.mark.parametrize(
    ("model_args", "told"),
    [
        ({"feat_dim": 80, "embed_dim": 32, "pooling_func": "XI"}, "pooling_func is 'XI'; known are TAP, .*ASTP"),
        ({"feat_dim": 80, "embed_dim": 32, "pool": "TSTP"}, "unexpected keyword argument 'pool'"),
        ({"feat_dim": 80}, "missing a required.* 'embed_dim'"),
        ({"feat_dim": 80, "embed_dim": "large"}, "model_args of ResNet34"),
        ({"feat_dim": 80, "embed_dim": 10**12}, r"of another shape: seg_1\.weight \(32, 640\), not \(10{12}, 640\)"),
    ],
)
def test_impossible_arguments_are_named(model_args: dict[str, Any], told: str) -> None:
    tensors = torch.load(GOLDEN / "resnet34/avg_model.pt", weights_only=True)
    with pytest.raises(ValueError, match=told):
        make_net("ResNet34", model_args, tensors)


def test_of_the_keys_only_the_classifiers_are_ignored() -> None:
    tensors = torch.load(GOLDEN / "resnet34/avg_model.pt", weights_only=True)
    assert "projection.weight" in tensors
    arguments = {"feat_dim": 80, "embed_dim": 32}
    make_net("ResNet34", arguments, tensors)
    with pytest.raises(ValueError, match=r"1 unexpected: projector\.weight$"):
        make_net("ResNet34", arguments, {**tensors, "projector.weight": torch.zeros(1)})
    del tensors["layer2.0.bn1.running_var"]
    with pytest.raises(ValueError, match=r"1 missing: layer2\.0\.bn1\.running_var$"):
        make_net("ResNet34", arguments, tensors)
