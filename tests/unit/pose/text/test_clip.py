"""CLIP's text vectors equal OpenAI's, from every form of its weights; long captions are cut; bad files are refused."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModelWithProjection

from scripts.pose.text.clip import ClipText, from_openai, load_tower, make_tower, round_weights, tower_features
from scripts.shared.errors import ConfigError
from tests.pose_models import GOLDEN
from tests.torchscript import write_torchscript
from tests.unit.pose.text.clips import TINY, State, readable_tower, whole, write_folder

END = 49_407


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> ClipText:
    path = tmp_path_factory.mktemp("clip") / "clip.safetensors"
    save_file(readable_tower(), path)
    return ClipText(path)


def unrounded() -> CLIPTextModelWithProjection:
    """The tower that made the golden features."""
    return make_tower(from_openai(load_file(TINY)), {}, where="golden")


def test_text_features_equal_openais() -> None:
    golden = np.load(GOLDEN / "clip_text_tiny.npz")
    features = tower_features(unrounded(), torch.from_numpy(golden["input_ids"]))
    error = np.abs(features - golden["text_features"]).max() / np.abs(golden["text_features"]).max()
    assert error < 1e-5


def test_a_caption_alone_without_padding_has_the_same_features() -> None:
    golden = np.load(GOLDEN / "clip_text_tiny.npz")
    tower = unrounded()
    for ids, expected in zip(golden["input_ids"], golden["text_features"], strict=True):
        alone = torch.from_numpy(ids[: ids.argmax() + 1])[None]
        assert alone.shape[1] < 77 or ids[-1]
        np.testing.assert_allclose(tower_features(tower, alone)[0], expected, atol=2e-6)


def test_a_tower_of_full_size_takes_all_of_openais_text_tensors() -> None:
    shapes = json.loads((GOLDEN / "key_shapes_clip_vitb32_openai.json").read_text())["shapes"]
    with torch.device("meta"):
        text = {
            key: torch.empty(shape)
            for key, shape in shapes.items()
            if not key.startswith("visual.") and key != "logit_scale"
        }
        tower = make_tower(from_openai(text), {}, where="full size")
    sizes = tower.config
    assert (sizes.hidden_size, sizes.num_attention_heads, sizes.num_hidden_layers) == (512, 8, 12)
    assert (sizes.vocab_size, sizes.max_position_embeddings, sizes.projection_dim) == (49_408, 77, 512)
    assert sum(value.numel() for value in tower.parameters()) == sum(value.numel() for value in text.values())


FORMS: dict[str, Callable[[Path, State], object]] = {
    "safetensors": lambda path, state: save_file(state, path),
    "state_dict.pt": lambda path, state: torch.save(state, path),
    "nested.pt": lambda path, state: torch.save({"epoch": 3, "state_dict": state}, path),
    "ViT-B-32.pt": write_torchscript,
    "hugging_face": write_folder,
    "text_half": lambda path, state: write_folder(path, state, config={"num_attention_heads": 1}),
}


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_same_weights_gives_the_same_tower(tmp_path: Path, form: str) -> None:
    state = load_file(TINY)
    FORMS[form](tmp_path / form, state if "h" in form[:2] or form == "text_half" else whole(state))
    expected = load_tower(TINY).state_dict()
    found = load_tower(tmp_path / form).state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], value) for key, value in expected.items())


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_weights_kept_in_half_precision_are_computed_with_in_single(tmp_path: Path) -> None:
    half = {key: value.half() for key, value in load_file(TINY).items()}
    tower = load_tower(write_torchscript(tmp_path / "ViT-B-32.pt", half))
    assert {value.dtype for value in tower.state_dict().values()} == {torch.float32}


def test_weights_are_rounded_where_openai_rounds_them_and_nowhere_else() -> None:
    state = from_openai(load_file(TINY))
    changed = {key for key, value in round_weights(state).items() if not torch.equal(value, state[key])}
    assert changed == {
        key for key in state if "norm" not in key and "token_embedding" not in key and "position_embedding" not in key
    }
    for key in changed:
        assert torch.equal(load_tower(TINY).state_dict()[key], state[key].half().float())


def test_captions_have_openais_tokens(clip: ClipText) -> None:
    cases = json.loads((GOLDEN / "clip_tokens.json").read_text(encoding="utf-8"))
    assert len(cases) == 20
    for case in cases:
        assert clip.tokenize(case["text"]).ids == case["ids"], case["text"]


@pytest.mark.parametrize(
    ("n_words", "n_ids", "cut"), [(1, 3, False), (75, 77, False), (76, 77, True), (5_000, 77, True)]
)
def test_a_caption_beyond_77_tokens_is_cut_with_the_end_last(
    clip: ClipText, n_words: int, n_ids: int, cut: bool
) -> None:
    tokens = clip.tokenize("walk " * n_words)
    assert (len(tokens.ids), tokens.cut, tokens.ids[-1]) == (n_ids, cut, END)
    vector = clip.encode_tokens(tokens)
    assert vector.shape == (clip.dim,) == (40,)
    assert vector.dtype == np.float32
    assert np.isfinite(vector).all()


def test_what_is_cut_off_changes_nothing_and_what_is_kept_does(clip: ClipText) -> None:
    long, longer, other = (clip.tokenize(text) for text in ("run " * 75, "run " * 500 + "jump", "jump " + "run " * 500))
    assert np.array_equal(clip.encode_tokens(long), clip.encode_tokens(longer))
    assert not np.array_equal(clip.encode_tokens(long), clip.encode_tokens(other))


def test_a_vector_does_not_depend_on_what_was_encoded_before(clip: ClipText) -> None:
    captions = ["a person walks", "", "a person jumps up and down three times", "😀 ‮ x"]
    first = [clip.encode_tokens(clip.tokenize(caption)) for caption in captions]
    again = [clip.encode_tokens(clip.tokenize(caption)) for caption in reversed(captions)]
    assert all(np.array_equal(a, b) for a, b in zip(first, reversed(again), strict=True))


def test_a_tower_for_another_vocabulary_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"vocabulary of 300 symbols; only OpenAI's, of 49,408"):
        ClipText(TINY)


def without(state: State, key: str) -> State:
    return {name: value for name, value in state.items() if name != key}


BAD: list[tuple[Callable[[State], State], str]] = [
    (lambda state: without(state, "ln_final.bias"), r"final_layer_norm.bias' is missing"),
    (lambda state: without(state, "token_embedding.weight"), r"has no matrix .*token_embedding"),
    (lambda state: without(state, "positional_embedding"), r"has no matrix"),
    (lambda state: state | {"ln_final.weight": torch.ones(3)}, r"final_layer_norm.weight has the shape \(3,\)"),
    (lambda state: state | {"transformer.resblocks.0.gate.weight": torch.ones(3)}, r"is no key of OpenAI's text tower"),
    (lambda _: {"conv1.weight": torch.ones(3)}, r"has no matrix .* not the weights of a CLIP"),
]


@pytest.mark.parametrize(("change", "words"), BAD)
def test_weights_of_another_net_are_refused_in_words(
    tmp_path: Path, change: Callable[[State], State], words: str
) -> None:
    save_file(change(load_file(TINY)), tmp_path / "clip.safetensors")
    with pytest.raises(ConfigError, match=words) as refused:
        load_tower(tmp_path / "clip.safetensors")
    assert "clip.safetensors" in str(refused.value)


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    torch.save(load_file(TINY), tmp_path / "clip.pt")
    (tmp_path / "clip.pt").write_bytes((tmp_path / "clip.pt").read_bytes()[:-100])
    with pytest.raises(ConfigError, match=r"clip\.pt: is cut off"):
        load_tower(tmp_path / "clip.pt")


class _Runs:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.marker,)


def test_a_file_that_would_run_code_is_refused_and_not_run(tmp_path: Path) -> None:
    torch.save({"positional_embedding": _Runs(tmp_path / "ran")}, tmp_path / "clip.pt")
    with pytest.raises(ConfigError, match=r"nothing in it was run"):
        load_tower(tmp_path / "clip.pt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [({"num_attention_heads": 3}, r"3 heads do not divide"), ({"hidden_act": "no_such"}, r"no_such")],
)
def test_a_configuration_that_does_not_fit_the_weights_is_refused(
    tmp_path: Path, text: dict[str, object], words: str
) -> None:
    folder = write_folder(tmp_path / "clip", load_file(TINY), config={"text_config": text})
    with pytest.raises(ConfigError, match=words):
        load_tower(folder)
