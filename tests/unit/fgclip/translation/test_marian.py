"""A Marian model as translator: a tiny one of fresh weights, since none that was trained can be shipped."""

import json
from pathlib import Path

import pytest

from scripts.fgclip.translation.backends import marian
from scripts.shared.errors import ConfigError

sentencepiece = pytest.importorskip("sentencepiece", reason="Marian's tokenizer needs the package sentencepiece")

WORDS = ["有人从草坪上走过", "一只手挡住了镜头", "people walk across the lawn", "a hand covers the camera"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers.models.marian.configuration_marian import MarianConfig
    from transformers.models.marian.modeling_marian import MarianMTModel

    target = tmp_path_factory.mktemp("marian")
    (target / "words.txt").write_text("\n".join(WORDS * 4), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(target / "words.txt"), model_prefix=str(target / "spm"), vocab_size=60, hard_vocab_limit=False,
        minloglevel=2,
    )  # fmt: skip
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(target / "spm.model"))
    names = [pieces.id_to_piece(number) for number in range(pieces.get_piece_size())]
    vocabulary = {name: number for number, name in enumerate(dict.fromkeys(["</s>", "<unk>", *names, "<pad>"]))}
    (target / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    for name in ("source.spm", "target.spm"):
        (target / name).write_bytes((target / "spm.model").read_bytes())
    (target / "tokenizer_config.json").write_text('{"source_lang": "zho", "target_lang": "eng"}', encoding="utf-8")
    pad = vocabulary["<pad>"]
    config = MarianConfig(
        vocab_size=len(vocabulary), d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, pad_token_id=pad, eos_token_id=0,
        decoder_start_token_id=pad, max_position_embeddings=128, forced_eos_token_id=0,
    )  # fmt: skip
    MarianMTModel(config).save_pretrained(target)
    return target


def test_texts_are_translated_in_their_order_and_always_alike(folder: Path) -> None:
    translate = marian(folder)
    first = list(translate(WORDS[:2]))
    assert len(first) == 2
    assert list(translate(WORDS[:2])) == first
    assert all(isinstance(text, str) for text in first)


def test_weights_that_lack_a_tensor_are_refused_by_its_name(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["model.encoder.layers.0.fc1.weight"]
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ConfigError, match=r"its weights lack 'model.encoder.layers.0.fc1.weight'"):
        marian(tmp_path)
