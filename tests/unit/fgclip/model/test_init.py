"""Step 0: the given CLIP unchanged, a tiny one of the records' words, and positions for long texts."""

import json
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from scripts.fgclip.model import clip_folder
from scripts.fgclip.model.init import make_init, stretched_positions
from scripts.fgclip.model.model_folder import load_video_clip
from scripts.fgclip.model.pixels import pixel_values
from scripts.shared.errors import ConfigError
from tests.unit.fgclip.model.networks import NUM_FRAMES, SIZE, WORDS, pictures, tiny_clip, tiny_folder
from tests.unit.fgclip.model.openai_clip import IMAGE, image_features, openai_state, text_features


def test_step_0_of_openais_file_scores_as_openais_clip(tmp_path: Path) -> None:
    """Zero-shot CLIP is the same program on an untrained model."""
    state = openai_state()
    torch.save(state, tmp_path / "ViT-B-32.pt")
    facts = make_init(
        tmp_path / "init", name="b32", clip=str(tmp_path / "ViT-B-32.pt"), seed=1, num_frames=4, texts=["unused"]
    )
    model, tokenizer, _ = load_video_clip(tmp_path / "init")
    assert (facts.source, facts.num_frames, facts.context_length) == ("ViT-B-32.pt", 4, 16)
    assert len(facts.clip_identity) == 32
    frames = functional.interpolate(pictures(4).permute(0, 3, 1, 2).float(), IMAGE).byte().permute(0, 2, 3, 1)
    ids = torch.from_numpy(tokenizer.encode(["a man walks", "a fight"]))
    mask = torch.ones(1, 4, dtype=torch.bool)
    with torch.inference_mode():
        pooled = model.encode_frames(frames, dense=False, chunk=4).pooled
        video = model.pool(model.temporal_frames(pooled[None], mask), mask)
        found = model.scale() * video @ model.encode_text(ids).T
    wanted_video = functional.normalize(image_features(state, pixel_values(frames)).mean(0, keepdim=True), dim=-1)
    wanted = state["logit_scale"].exp() * wanted_video @ functional.normalize(text_features(state, ids), dim=-1).T
    assert torch.allclose(found, wanted, atol=1e-4)


def test_the_tiny_network_knows_the_words_of_records_and_prompts(tmp_path: Path) -> None:
    region = {"caption": "blue circle", "start": None, "end": None, "keys": []}
    item = {
        "name": "a",
        "video": "a",
        "category": "Abuse",
        "anomalous": False,
        "caption": "red square",
        "span": [0, 5],
        "regions": [region],
    }
    video = {"path": "a.mp4", "n_frames": 5, "fps": 5.0, "width": 48, "height": 48, "digest": "ab12"}
    records = tmp_path / "records.json"
    records.write_text(json.dumps({"format": 1, "digest": "", "videos": {"a": video}, "items": [item]}))
    make_init(
        tmp_path / "init", name="x", clip="tiny", seed=1, num_frames=NUM_FRAMES, records=records, texts=["normal day"]
    )
    _, tokenizer, facts = load_video_clip(tmp_path / "init")
    unknown = tokenizer.encode(["green"])[0, 1]
    ids = tokenizer.encode(["red square blue circle normal day"])[0, 1:7]
    assert unknown not in ids
    assert len(set(ids.tolist())) == 6
    assert facts.clip_identity == "tiny"


def test_equal_seeds_give_equal_folders(tmp_path: Path) -> None:
    first, second = tiny_folder(tmp_path / "one"), tiny_folder(tmp_path / "two")
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes(), path.name


def test_a_model_folder_can_be_begun_with_again(tmp_path: Path) -> None:
    """A folder that a training wrote is a CLIP as any other."""
    first = tiny_folder(tmp_path / "one")
    make_init(tmp_path / "two", name="x", clip=str(first), seed=9, num_frames=NUM_FRAMES)
    assert (tmp_path / "two" / "model.safetensors").read_bytes() == (first / "model.safetensors").read_bytes()


def test_a_clip_that_heads_cannot_divide_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(clip_folder._DIMENSIONS, "tiny", 60)
    with pytest.raises(ConfigError, match=r"its features of 60 numbers cannot be divided among the 8 heads"):
        tiny_folder(tmp_path / "init")
    tiny_folder(tmp_path / "init", temporal_layers=0)


def test_77_positions_become_248_and_the_first_20_stay() -> None:
    table = torch.arange(77.0)[:, None] * torch.tensor([1.0, -2.0])
    found = stretched_positions(table)
    assert found.shape == (248, 2)
    assert torch.equal(found[:20], table[:20])
    assert torch.equal(found[20::4], table[20:])
    assert found[20:, 0].tolist() == [20 + number / 4 for number in range(228)]


@pytest.mark.parametrize("long_captions", [False, True])
def test_short_texts_are_read_alike_with_positions_for_long_ones(tmp_path: Path, long_captions: bool) -> None:
    tiny_folder(tmp_path / "init", long_captions=long_captions)
    model, tokenizer, facts = load_video_clip(tmp_path / "init")
    ids = torch.from_numpy(tokenizer.encode(WORDS))
    plain = tiny_clip(seed=3).eval()
    with torch.inference_mode():
        wanted = functional.normalize(plain.get_text_features(input_ids=ids).pooler_output, dim=-1)
        assert torch.allclose(model.encode_text(ids), wanted, atol=1e-6)
    assert facts.long_context_length == (68 if long_captions else 0)


def test_long_texts_are_read_to_their_end(tmp_path: Path) -> None:
    tiny_folder(tmp_path / "init", long_captions=True)
    model, tokenizer, _ = load_video_clip(tmp_path / "init")
    assert model.long_context_length == 20 + 4 * (32 - 20)
    long = "red " * 40
    texts = [long + "square", long + "day"]
    with torch.inference_mode():
        cut = model.encode_text(torch.from_numpy(tokenizer.encode(texts)))
        read = model.encode_text(torch.from_numpy(tokenizer.encode(texts, model.long_context_length)))
    assert torch.equal(cut[0], cut[1])
    assert (read[0] - read[1]).abs().max().item() > 1e-4


def test_long_positions_are_learnt_from_long_texts_alone(tmp_path: Path) -> None:
    tiny_folder(tmp_path / "init", long_captions=True)
    model, tokenizer, _ = load_video_clip(tmp_path / "init")
    model.encode_text(torch.from_numpy(tokenizer.encode(WORDS, model.long_context_length)))[:, 0].sum().backward()
    gradient = model.clip.text_model.embeddings.position_embedding.weight.grad
    assert gradient is not None
    assert gradient[:32].abs().max().item() == 0
    assert gradient[32:36].abs().max().item() > 0


@pytest.mark.parametrize("long_captions", [False, True])
def test_a_model_that_has_long_positions_is_gone_on_with_as_it_is(tmp_path: Path, long_captions: bool) -> None:
    tiny_folder(tmp_path / "first", long_captions=True)
    make_init(
        tmp_path / "second",
        name="second.init",
        clip=str(tmp_path / "first"),
        seed=3,
        num_frames=8,
        long_captions=long_captions,
    )
    first, second = (load_video_clip(tmp_path / name) for name in ("first", "second"))
    assert (second[2].context_length, second[2].long_context_length) == (32, 68)
    assert second[1].context_length == 32
    states = [folder[0].clip.state_dict() for folder in (first, second)]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_the_tiny_network_is_small_and_square(tmp_path: Path) -> None:
    model, _, _ = load_video_clip(tiny_folder(tmp_path / "init"))
    assert (model.image_size, model.grid, model.dim) == (SIZE, 6, 64)
    assert sum(part.numel() for part in model.parameters()) < 300_000
