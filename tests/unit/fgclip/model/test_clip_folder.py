"""A CLIP is loaded whole from a folder or OpenAI's file, or refused with the tensor, the file and the mend named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from scripts.fgclip.model.clip_folder import load_clip, random_clip
from scripts.fgclip.model.identity import RANDOM_B32, TINY
from scripts.fgclip.model.tokens import openai_tokens
from scripts.shared.errors import ConfigError
from tests.torchscript import write_torchscript
from tests.unit.fgclip.model.networks import WORDS, tiny_clip, tiny_folder, words
from tests.unit.fgclip.model.openai_clip import IMAGE, State, image_features, openai_state, text_features

EMBEDDING = "text_model.embeddings.token_embedding.weight"
QUERY = "vision_model.encoder.layers.1.self_attn.q_proj.weight"
FUSED = "visual.transformer.resblocks.0.attn.in_proj_weight"


@pytest.fixture(scope="module")
def state() -> State:
    return openai_state()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_folder(tmp_path_factory.mktemp("clip") / "made")


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A CLIP in Hugging Face's layout, as somebody else would make it."""
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (tmp_path / name).write_bytes((made / name).read_bytes())
    return tmp_path


def change_config(folder: Path, part: str = "", **changes: Any) -> None:
    said = json.loads((folder / "config.json").read_text())
    (said[part] if part else said).update(changes)
    (folder / "config.json").write_text(json.dumps(said))


def change_weights(folder: Path, change: Callable[[State], State]) -> None:
    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path)


WRITERS: dict[str, Callable[[Path, State], object]] = {
    "state_dict": lambda path, state: torch.save(state, path),
    "wrapped": lambda path, state: torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}}, path),
    "release": write_torchscript,
}


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("form", WRITERS)
def test_openais_file_computes_what_openais_network_does(state: State, tmp_path: Path, form: str) -> None:
    """Defects W1, W2 and W3 of the guide's program: attention left random, last norm too, projection not turned."""
    WRITERS[form](tmp_path / "ViT-B-32.pt", state)
    clip, tokenizer = load_clip(tmp_path / "ViT-B-32.pt")
    pixels = torch.randn(2, 3, IMAGE, IMAGE, generator=torch.Generator().manual_seed(1))
    ids = torch.from_numpy(tokenizer.encode(["a man walks", "two people fight in the street"]))
    assert ids.shape == (2, 16)
    with torch.inference_mode():
        seen = clip.get_image_features(pixel_values=pixels).pooler_output
        read = clip.get_text_features(input_ids=ids).pooler_output
    assert torch.allclose(seen, image_features(state, pixels), atol=1e-5)
    assert torch.allclose(read, text_features(state, ids), atol=1e-5)
    assert clip.logit_scale.item() == 4.0
    assert {value.dtype for value in clip.parameters()} == {torch.float32}


def test_a_folder_gives_the_same_network_and_its_own_tokenizer(folder: Path) -> None:
    clip, tokenizer = load_clip(folder)
    wanted = load_file(folder / "model.safetensors")
    found = clip.state_dict()
    assert found.keys() == wanted.keys()
    assert all(torch.equal(value, found[key]) for key, value in wanted.items())
    assert tokenizer.encode(WORDS).tolist() == words().encode(WORDS).tolist()
    assert not clip.training


def test_the_older_file_of_weights_is_read_and_its_position_numbers_are_left_out(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    torch.save(state | {"text_model.embeddings.position_ids": torch.arange(32)[None]}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert torch.equal(load_clip(folder)[0].logit_scale, state["logit_scale"])


def test_texts_are_read_at_their_end_whatever_an_old_configuration_says(folder: Path) -> None:
    """Older configurations say 2, for which transformers takes the highest id, wherever it stands."""
    change_config(folder, "text_config", eos_token_id=2)
    clip, tokenizer = load_clip(folder)
    config: Any = clip.config.text_config
    assert config.eos_token_id == clip.text_model.eos_token_id == tokenizer.end_id


def test_a_folder_without_tokenizer_is_openais_or_refused(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ConfigError, match=r"has no tokenizer, and its network is for a vocabulary of \d+ entries"):
        load_clip(folder)
    vocabulary = openai_tokens(32)
    clip = random_clip(TINY, vocabulary, seed=0)
    save_file({key: value.contiguous() for key, value in clip.state_dict().items()}, folder / "model.safetensors")
    change_config(folder, "text_config", vocab_size=vocabulary.n_entries)
    _, tokenizer = load_clip(folder)
    assert tokenizer.encode(["a man"])[0, :4].tolist() == [49406, 320, 786, 49407]


def test_the_tokenizer_of_another_network_is_refused(folder: Path) -> None:
    change_weights(folder, lambda state: state | {EMBEDDING: state[EMBEDDING][:5].clone()})
    change_config(folder, "text_config", vocab_size=5)
    with pytest.raises(ConfigError, match=r"the tokenizer has \d+ entries, but the network has embeddings for 5"):
        load_clip(folder)


def without(*keys: str) -> Callable[[State], State]:
    return lambda state: {key: value for key, value in state.items() if key not in keys}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without(QUERY), rf"model.safetensors: tensor '{QUERY}' is missing; the file is not whole, copy it again"),
        (
            without(QUERY, "logit_scale", "visual_projection.weight", "text_projection.weight"),
            r"4 tensors are missing: 'logit_scale', .*, \.\.\.;",
        ),
        (
            lambda state: {key: value for key, value in state.items() if ".layers.1." not in key},
            r"has 1 blocks of the vision tower, but config.json describes a network of 2",
        ),
        (
            lambda state: state | {"visual_projection.weight": torch.ones(32, 64)},
            r"visual_projection.weight has the shape \(32, 64\); expected was \(64, 64\)",
        ),
        (lambda state: state | {"lora.weight": torch.ones(1)}, r"key 'lora.weight' is unexpected"),
        (
            lambda state: state | {QUERY: torch.full((64, 64), torch.nan)},
            rf"4,096 of 4,096 values of {QUERY} are NaN",
        ),
    ],
)
def test_weights_that_are_not_all_of_the_network_are_refused(
    folder: Path, change: Callable[[State], State], words: str
) -> None:
    """Defect W4 of the guide's program: any error was caught, and training went on from random weights."""
    change_weights(folder, change)
    with pytest.raises(ConfigError, match=words) as refused:
        load_clip(folder)
    assert str(folder) in str(refused.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("model.safetensors", r"has no model.safetensors or pytorch_model.bin; name the folder of a CLIP"),
        ("config.json", r"has no config.json; name the folder of a CLIP"),
    ],
)
def test_an_incomplete_folder_is_refused(folder: Path, name: str, words: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ConfigError, match=words):
        load_clip(folder)


@pytest.mark.parametrize(
    ("part", "changes", "words"),
    [
        ("", {"model_type": "siglip"}, r"config.json: describes a model of the type 'siglip'; only 'clip'"),
        ("vision_config", {"hidden_size": 32}, r"has the shape .*; expected was"),
        ("vision_config", {"patch_size": 16}, r"patch_embedding.weight has the shape \(64, 3, 8, 8\)"),
        ("vision_config", {"image_size": [48, 32]}, r"is not the configuration of a CLIP .*squares"),
        ("text_config", {"num_hidden_layers": 10**9}, r"has 2 blocks of the text tower, but config.json describes"),
        ("text_config", {"num_attention_heads": 3}, r"is not the configuration of a CLIP"),
    ],
)
def test_a_configuration_of_another_network_is_refused(
    folder: Path, part: str, changes: dict[str, Any], words: str
) -> None:
    change_config(folder, part, **changes)
    with pytest.raises(ConfigError, match=words):
        load_clip(folder)


def test_a_configuration_that_is_no_json_is_refused(folder: Path) -> None:
    for text, reason in (("{", "is no JSON"), ("[]", "describes no model")):
        (folder / "config.json").write_text(text)
        with pytest.raises(ConfigError, match=reason):
            load_clip(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without(FUSED), rf"a.pt: tensor '{FUSED}' is missing; the file is not whole"),
        (without("text_projection", "ln_final.bias"), r"2 tensors are missing: 'text_projection', 'ln_final.bias'"),
        (lambda state: {"visual.attnpool.x": torch.ones(1)} | state, r"is an RN50, which is not supported"),
        (lambda _: {"conv1.weight": torch.ones(3)}, r"has no tensor 'visual.conv1.weight', so it is no CLIP"),
        (
            lambda state: state | {"token_embedding.weight": torch.ones(300, 64)},
            r"is for a vocabulary of 300 entries; a single file is read with OpenAI's of 49,408",
        ),
        (
            lambda state: state | {"visual.ln_post.bias": torch.ones(3)},
            r"vision_model.post_layernorm.bias has the shape \(3,\); expected was \(128,\)",
        ),
    ],
)
def test_an_openai_file_of_another_network_is_refused(
    state: State, tmp_path: Path, change: Callable[[State], State], words: str
) -> None:
    torch.save(change(state), tmp_path / "a.pt")
    with pytest.raises(ConfigError, match=words):
        load_clip(tmp_path / "a.pt")


class _Runs:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.marker,)


def test_code_in_a_file_is_never_run(tmp_path: Path) -> None:
    torch.save({"visual.proj": _Runs(tmp_path / "ran")}, tmp_path / "a.pt")
    with pytest.raises(ConfigError, match=r"nothing in it was run"):
        load_clip(tmp_path / "a.pt")
    assert not (tmp_path / "ran").exists()


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Defect W5 of the guide's program: without weights a random network was trained, and nothing said so."""
    with pytest.raises(ConfigError, match=r"nowhere does not exist; name the folder of a CLIP"):
        load_clip(tmp_path / "nowhere")


def test_equal_seeds_give_equal_weights_and_draw_from_nobody() -> None:
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    first, second, third = (tiny_clip(seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(value, second[key]) for key, value in first.items())
    assert not torch.equal(first["visual_projection.weight"], third["visual_projection.weight"])


def test_the_random_network_of_full_size_is_a_vit_b_32() -> None:
    with torch.device("meta"):
        clip = random_clip(RANDOM_B32, openai_tokens(77), seed=0)
    assert sum(part.numel() for part in clip.parameters()) == 151_277_313
    assert (clip.projection_dim, clip.config.vision_config.patch_size) == (512, 32)
