import re
from pathlib import Path
from typing import Any

import pytest
import torch

from scripts.cnclip.model_files.architecture import random_model
from scripts.cnclip.model_files.folder import ModelFacts, load_model, read_facts, save_model
from scripts.cnclip.model_files.init import make_init, make_model
from scripts.cnclip.model_files.official import to_official
from scripts.shared.errors import ConfigError
from tests.cnclip_models import save_checkpoint
from tests.unit.cnclip.model_files.test_assembly import bert_folder, openai_state


def checkpoint(tmp_path: Path) -> Path:
    return save_checkpoint(tmp_path / "clip_cn_tiny.pt", to_official(random_model("tiny", 1).state_dict()))


def begin(tmp_path: Path, **given: Any) -> ModelFacts:
    return make_init(tmp_path / "init", **{"name": "init", "seed": 7, "context_length": 52, **given})


def test_official_checkpoint_becomes_a_model_folder(tmp_path: Path) -> None:
    facts = make_model(checkpoint(tmp_path), tmp_path / "models" / "mine", name="mine", trained_on=["muge"])
    assert (facts.name, facts.trained_on) == ("mine", ("muge",))
    assert re.fullmatch(r"clip_cn_tiny.pt \(sha256 [0-9a-f]{64}, tiny\)", facts.source)
    model = load_model(tmp_path / "models" / "mine")
    assert torch.equal(model.text_projection.weight, random_model("tiny", 1).text_projection.weight)


def test_architecture_and_seed_give_random_weights(tmp_path: Path) -> None:
    facts = make_init(tmp_path / "init", architecture="tiny", seed=7, name="run.init", context_length=32)
    assert facts == read_facts(tmp_path / "init")
    assert (facts.name, facts.context_length, facts.trained_on) == ("run.init", 32, ())
    assert "seed 7" in facts.source
    weight = load_model(tmp_path / "init").text_projection.weight
    assert torch.equal(weight, random_model("tiny", 7).text_projection.weight)


def test_model_goes_before_the_architecture_and_hands_on_what_it_was_trained_on(tmp_path: Path) -> None:
    save_model(random_model("tiny-teacher", 1), tmp_path / "big", facts=ModelFacts("big", trained_on=("muge",)))
    facts = begin(tmp_path, architecture="tiny", model=tmp_path / "big", trained_on=["muge", "coco"])
    assert facts.trained_on == ("muge", "coco")
    assert facts.source.startswith("big (sha256 ")
    assert load_model(tmp_path / "init").projection_dim == 128


def test_official_checkpoint_can_be_begun_with_as_it_is(tmp_path: Path) -> None:
    facts = begin(tmp_path, model=checkpoint(tmp_path))
    assert facts.source == "clip_cn_tiny.pt"


def test_two_towers_are_put_together_with_the_vocabulary_of_the_text_tower(tmp_path: Path) -> None:
    torch.save(openai_state(), tmp_path / "ViT.pt")
    facts = begin(tmp_path, vision=tmp_path / "ViT.pt", text=bert_folder(tmp_path / "bert"), seed=3)
    assert facts.source == "ViT.pt and bert, with a fresh text projection of seed 3"
    assert load_model(tmp_path / "init").config.text_config.hidden_size == 16


@pytest.mark.parametrize("criterion", ["weight", "random"])
def test_pruned_model_is_smaller_and_says_so(tmp_path: Path, criterion: str) -> None:
    facts = begin(tmp_path, architecture="tiny", prune={"fraction": 0.3, "criterion": criterion})
    assert facts.source.endswith(f"; 0.3 of its feed-forward neurons taken out by {criterion}")
    config = load_model(tmp_path / "init").config
    assert config.vision_config.intermediate_size == config.text_config.intermediate_size == 184


def test_pruning_by_activation_needs_pairs(tmp_path: Path) -> None:
    prune = {"fraction": 0.3, "criterion": "activation"}
    with pytest.raises(ConfigError, match="measured on training pairs; give their lmdb"):
        begin(tmp_path, architecture="tiny", prune=prune)
    assert not (tmp_path / "init").exists()


def test_nothing_to_begin_with_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="names nothing to begin with"):
        begin(tmp_path)
    with pytest.raises(ConfigError, match=r"none.pt: no such file"):
        begin(tmp_path, model=tmp_path / "none.pt")


def test_multilingual_model_is_no_beginning(tmp_path: Path) -> None:
    save_model(random_model("tiny", 1), tmp_path / "many", facts=ModelFacts("many", kind="multilingual"))
    with pytest.raises(ConfigError, match="a model of the kind multilingual"):
        begin(tmp_path, model=tmp_path / "many")
