"""Model folders give back what was saved, byte for byte; others load them; what is damaged or foreign is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers.models.clip.modeling_clip import CLIPModel

from scripts.fgclip.model.model_folder import ModelFacts, load_video_clip, read_facts, save_video_clip
from scripts.shared.errors import ConfigError
from scripts.shared.fingerprints import file_sha256
from tests.unit.fgclip.model.networks import NUM_FRAMES, WORDS, pictures, tiny_folder, tiny_model, words

FACTS = ModelFacts("one", "made here", "tiny", NUM_FRAMES, trained_on=("demo",), settings={"lr": 1e-5})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = tiny_model(dropout=0.25)
    assert model.temporal is not None
    with torch.no_grad():
        model.temporal.gate.fill_(0.5)
    save_video_clip(model, words(), tmp_path / "model", facts=FACTS)
    return tmp_path / "model"


def test_a_folder_gives_back_weights_texts_and_facts(folder: Path) -> None:
    model, tokenizer, facts = load_video_clip(folder)
    wanted = tiny_model().state_dict() | {"temporal.gate": torch.tensor(0.5)}
    found = model.state_dict()
    assert found.keys() == wanted.keys()
    assert all(torch.equal(value, found[key]) for key, value in wanted.items())
    assert tokenizer.encode(WORDS).tolist() == words().encode(WORDS).tolist()
    assert facts == read_facts(folder)
    assert (facts.name, facts.num_frames, facts.settings, facts.trained_on) == ("one", 8, {"lr": 1e-5}, ("demo",))
    assert (facts.context_length, facts.long_context_length, facts.temporal_layers, facts.dropout) == (32, 0, 2, 0.25)
    assert not model.training
    assert model.dropout == 0.25


def test_a_loaded_model_computes_what_the_saved_one_does_and_can_be_trained(folder: Path) -> None:
    model, tokenizer, _ = load_video_clip(folder)
    frames, mask = pictures(4), torch.ones(1, 4, dtype=torch.bool)
    saved = tiny_model()
    assert saved.temporal is not None
    with torch.no_grad():
        saved.temporal.gate.fill_(0.5)
    vectors = []
    for each in (saved, model):
        found = each.encode_frames(frames, dense=False, chunk=4)
        vectors.append(each.pool(each.temporal_frames(found.pooled[None], mask), mask))
    assert torch.equal(*vectors)
    (vectors[1] @ model.encode_text(torch.from_numpy(tokenizer.encode(WORDS))).T).sum().backward()
    assert all(part.grad is not None for part in model.clip.vision_model.parameters())


def test_equal_weights_and_facts_give_equal_bytes(folder: Path, tmp_path: Path) -> None:
    model, tokenizer, facts = load_video_clip(folder)
    save_video_clip(model.half(), tokenizer, tmp_path / "again", facts=facts)
    names = sorted(path.name for path in folder.iterdir())
    assert names == [
        "config.json",
        "model.safetensors",
        "polymill.json",
        "preprocessor_config.json",
        "tokenizer.json",
        "video_head.safetensors",
    ]
    unrounded = [name for name in names if not name.endswith(("tensors", "polymill.json"))]
    assert all((folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes() for name in unrounded)
    model, tokenizer, facts = load_video_clip(folder)
    save_video_clip(model, tokenizer, tmp_path / "again", facts=facts)
    assert all((folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes() for name in names)


def test_others_load_the_backbone_with_from_pretrained(folder: Path) -> None:
    """Defect W6 of the guide's program: it saved adapters only, which nothing else could load."""
    model, _, _ = load_video_clip(folder)
    theirs = CLIPModel.from_pretrained(folder)
    wanted = model.clip.state_dict()
    assert theirs.state_dict().keys() == wanted.keys()
    assert all(torch.equal(value, wanted[key]) for key, value in theirs.state_dict().items())
    assert theirs.config.text_config.eos_token_id == words().end_id


def change_facts(folder: Path, **changes: Any) -> None:
    said = json.loads((folder / "polymill.json").read_text())
    (folder / "polymill.json").write_text(json.dumps(said | changes))


@pytest.mark.parametrize("name", ["model.safetensors", "video_head.safetensors"])
def test_weights_that_changed_since_are_refused(folder: Path, name: str) -> None:
    state = load_file(folder / name)
    key = min(state)
    save_file(state | {key: state[key] + 1}, folder / name)
    with pytest.raises(ConfigError, match=rf"{name}: is not the file that polymill.json beside it tells of"):
        load_video_clip(folder)


def test_a_head_of_another_size_is_refused(folder: Path) -> None:
    change_facts(folder, temporal_layers=3)
    with pytest.raises(ConfigError, match=r"video_head.safetensors: key 'temporal.encoder.layers.2.* is missing"):
        load_video_clip(folder)


def test_a_head_that_broke_down_is_refused(folder: Path) -> None:
    path = folder / "video_head.safetensors"
    save_file(load_file(path) | {"temporal.gate": torch.tensor(torch.nan)}, path)
    change_facts(folder, head_sha256=file_sha256(path))
    with pytest.raises(ConfigError, match=r"values of temporal.gate are NaN or infinite"):
        load_video_clip(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "video_head.safetensors", "config.json", "tokenizer.json"])
def test_a_folder_without_its_parts_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ConfigError, match=str(folder)):
        load_video_clip(folder)


def test_a_folder_of_another_kind_is_refused(folder: Path, tmp_path: Path) -> None:
    change_facts(folder, kind="chinese_clip")
    with pytest.raises(ConfigError, match=r"is a model of the kind 'chinese_clip', not fgclip"):
        read_facts(folder)
    with pytest.raises(ConfigError, match=r"is no model folder of fgclip: it has no polymill.json"):
        read_facts(tmp_path / "none")


@pytest.mark.parametrize("changes", [{"num_frames": "8"}, {"extra": 1}, {"trained_on": None}, {"dropout": 0}], ids=str)
def test_damaged_facts_are_refused(folder: Path, changes: dict[str, object]) -> None:
    change_facts(folder, **changes)
    with pytest.raises(ConfigError, match=r"polymill.json: does not hold the facts of a model"):
        read_facts(folder)


def test_a_model_without_time_is_kept_too(tmp_path: Path) -> None:
    tiny_folder(tmp_path / "plain", temporal_layers=0)
    model, _, facts = load_video_clip(tmp_path / "plain")
    assert facts.temporal_layers == 0
    assert list(load_file(tmp_path / "plain" / "video_head.safetensors")) == ["region_logit_scale"]
    assert model.temporal is None
