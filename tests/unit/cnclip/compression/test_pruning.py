from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.models.chinese_clip.modeling_chinese_clip import ChineseCLIPModel

from scripts.cnclip.compression.pruning import Calibration, feed_forwards, n_kept, prune_feed_forward
from scripts.cnclip.model_files.folder import ModelFacts, load_model, save_model
from scripts.cnclip.torch_encoder import image_features, text_features
from scripts.shared.errors import ConfigError
from tests.cnclip_models import GOLDEN, golden_model

ARRAYS = np.load(GOLDEN / "tiny_vit_golden.npz")
PIXELS, IDS = torch.from_numpy(ARRAYS["pixel_values"]), torch.from_numpy(ARRAYS["input_ids"])
CALIBRATION = Calibration(PIXELS, IDS)
CRITERIA = ("weight", "activation", "random")


def features(model: ChineseCLIPModel) -> torch.Tensor:
    with torch.inference_mode():
        return torch.cat([image_features(model, PIXELS), text_features(model, IDS)])


def layers(model: ChineseCLIPModel) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    for _, layer in feed_forwards(model):
        yield layer.into.weight.detach(), layer.out_of.weight.detach()


@pytest.mark.parametrize("criterion", CRITERIA)
def test_a_pruned_model_is_a_smaller_standard_model(criterion: str, tmp_path: Path) -> None:
    model = golden_model()
    before = features(model)
    pruned = prune_feed_forward(model, 0.3, criterion=criterion, calibration=CALIBRATION)
    assert torch.equal(features(model), before)
    vision, text = model.config.vision_config.intermediate_size, model.config.text_config.intermediate_size
    kept = n_kept(vision, 0.3), n_kept(text, 0.3)
    assert (pruned.config.vision_config.intermediate_size, pruned.config.text_config.intermediate_size) == kept
    assert all(size % 8 == 0 and 0.7 * whole <= size < whole for size, whole in zip(kept, (vision, text), strict=True))
    n_layers = [model.config.vision_config.num_hidden_layers, model.config.text_config.num_hidden_layers]
    widths = [model.config.vision_config.hidden_size, model.config.text_config.hidden_size]
    gone = [
        n * (whole - size) * (2 * width + 1)
        for n, whole, size, width in zip(n_layers, (vision, text), kept, widths, strict=True)
    ]
    assert model.num_parameters() - pruned.num_parameters() == sum(gone)
    save_model(pruned, tmp_path / "pruned", facts=ModelFacts("pruned"))
    assert torch.equal(features(load_model(tmp_path / "pruned")), features(pruned))
    theirs = ChineseCLIPModel.from_pretrained(tmp_path / "pruned").eval()
    assert torch.equal(features(theirs), features(pruned))


@pytest.mark.parametrize("criterion", ["weight", "activation"])
def test_neurons_that_do_nothing_go_first(criterion: str) -> None:
    model = golden_model()
    dead = {}
    for name, layer in feed_forwards(model):
        n = layer.into.out_features
        dead[name] = torch.from_numpy(np.random.default_rng(n).permutation(n)[: n - n_kept(n, 0.3)])
        with torch.no_grad():
            layer.out_of.weight[:, dead[name]] = 0
            if criterion == "weight":
                layer.into.weight[dead[name]] = 0
    pruned = prune_feed_forward(model, 0.3, criterion=criterion, calibration=CALIBRATION)
    assert (features(pruned) - features(model)).abs().max() < 1e-6
    for (name, whole), (_, part) in zip(feed_forwards(model), feed_forwards(pruned), strict=True):
        alive = [row for row in range(whole.into.out_features) if row not in dead[name].tolist()]
        assert torch.equal(part.into.weight, whole.into.weight[alive])  # in their old order


def test_activations_count_words_not_padding() -> None:
    model = golden_model()
    longer = torch.cat([IDS[:, :40], torch.zeros_like(IDS[:, 40:])], dim=1)
    assert (longer != 0).sum() == (IDS[:, :40] != 0).sum()
    trimmed = Calibration(PIXELS, longer[:, :40])
    by_both = [
        prune_feed_forward(model, 0.5, criterion="activation", calibration=calibration)
        for calibration in (trimmed, Calibration(PIXELS, longer))
    ]
    for (into, _), (other, _) in zip(layers(by_both[0]), layers(by_both[1]), strict=True):
        assert torch.equal(into, other)


def test_random_pruning_is_repeated_by_its_seed() -> None:
    model = golden_model()
    one, again, other = (features(prune_feed_forward(model, 0.3, criterion="random", seed=seed)) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_taking_nothing_out_changes_nothing() -> None:
    model = golden_model()
    assert torch.equal(features(prune_feed_forward(model, 0, criterion="weight")), features(model))


@given(size=st.integers(1, 20_000), fraction=st.floats(0, 0.99))
def test_what_stays_is_a_multiple_of_eight_or_all(size: int, fraction: float) -> None:
    kept = n_kept(size, fraction)
    assert 0 < kept <= size
    assert kept % 8 == 0 or kept == size
    assert size * (1 - fraction) - 1e-3 <= kept < size * (1 - fraction) + 8 + 1e-3


def test_thirty_percent_of_large_models_is_exact() -> None:
    assert n_kept(3_840, 0.3) == 2_688
    assert n_kept(3_072, 0.3) == 2_152


@pytest.mark.parametrize("fraction", [-0.1, 1.0, float("nan")])
def test_a_fraction_that_is_none_is_refused(fraction: float) -> None:
    with pytest.raises(ConfigError, match=r"prune\.fraction: "):
        prune_feed_forward(golden_model(), fraction, criterion="weight")


def test_activations_need_something_to_look_at() -> None:
    for calibration in (None, Calibration(PIXELS[:0], IDS)):
        with pytest.raises(ConfigError, match=r"prune\.criterion: activation needs"):
            prune_feed_forward(golden_model(), 0.3, criterion="activation", calibration=calibration)
