"""ConSE with the weights that packages ship."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from scripts.cnclip.pixels import as_uint8
from scripts.search.encoders import conse_files, open_encoder
from scripts.search.encoders.class_vectors import ClassNames, class_vectors, read_class_names, read_class_vectors
from scripts.search.encoders.conse import ConseEncoder
from scripts.search.encoders.lite0 import Lite0
from scripts.search.pictures import open_asset_picture
from scripts.shared.errors import ConfigError
from tests.snakemake_run import ROOT

PICTURES = ROOT / "tests" / "data" / "demo" / "search" / "pictures"


@pytest.fixture(scope="module")
def conse() -> ConseEncoder:
    return ConseEncoder(device="cpu")


def test_the_classifier_sees_what_is_in_the_pictures(conse: ConseEncoder) -> None:
    names = read_class_names()
    assert (names.en[285], names.zh[1]) == ("Egyptian Mau", "金鱼")
    wanted = {"animals/cat.jpg": "Egyptian Mau", "coffee.heic": "espresso", "people/photographer.jpg": "tripod"}
    pixels = np.stack([as_uint8(open_asset_picture((PICTURES / name).read_bytes()), 224) for name in wanted])
    probabilities = conse.probabilities(pixels)
    assert [names.en[row.argmax()] for row in probabilities] == list(wanted.values())
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert (probabilities.max(axis=1) > 0.6).all()


def test_a_row_does_not_depend_on_its_company_and_is_of_unit_length(conse: ConseEncoder) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (3, 3, 224, 224), dtype=np.uint8)
    together = conse.encode_pixels(pixels)
    np.testing.assert_array_equal(together[1:2], conse.encode_pixels(pixels[1:2]))
    texts = conse.encode_text(["猫", "a cat", "CAT"])
    np.testing.assert_array_equal(texts[:1], conse.encode_text(["猫"]))
    for rows in (together, texts):
        assert rows.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)
    assert texts[0] @ texts[1] > 0.5  # one meaning in two languages
    assert conse.encode_pixels(pixels[:0]).shape == conse.encode_text([]).shape == (0, 384)


def test_pixels_that_another_model_normalised_are_refused(conse: ConseEncoder) -> None:
    with pytest.raises(TypeError, match="pixels as bytes"):
        conse.encode_pixels(np.zeros((1, 3, 224, 224), np.float32))


def test_the_kept_vectors_are_those_of_the_names(conse: ConseEncoder) -> None:
    mean, classes = read_class_vectors()
    assert (mean.shape, classes.shape) == ((384,), (1000, 384))

    names = read_class_names()
    english, chinese = (conse._texts.encode(of[5:8]) - mean for of in (names.en, names.zh))
    both = english / np.linalg.norm(english, axis=1)[:, None] + chinese / np.linalg.norm(chinese, axis=1)[:, None]
    both /= np.linalg.norm(both, axis=1)[:, None]  # of three classes: all of them take a minute
    # The sentence encoder is an int8 model: another processor's vectors were at 0.9998.
    assert (np.einsum("nd,nd->n", both, classes[5:8]) > 0.999).all()
    assert (np.einsum("nd,nd->n", both, classes[6:9]) < 0.99).all()


def test_the_vectors_of_names_are_the_means_of_both_languages_less_the_mean_of_all() -> None:
    class Toy:
        def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
            return np.array([[len(text), 1] for text in texts], np.float32)

    made = class_vectors(ClassNames(("a", "bbb"), ("a", "bbb")), Toy())
    np.testing.assert_allclose(made, [[2, 1], [-1, 0], [1, 0]])


def test_identities_tell_other_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, conse: ConseEncoder) -> None:
    assert conse.identity == open_encoder("conse", "", {}, device="cpu").identity == conse_files.conse_identity()
    other = tmp_path / "classes.npy"
    other.write_bytes(b"other")
    monkeypatch.setattr(conse_files, "CLASS_VECTORS", other)
    conse_files.conse_identity.cache_clear()
    assert conse_files.conse_identity() != conse.identity
    monkeypatch.undo()
    conse_files.conse_identity.cache_clear()


def test_a_missing_package_is_named_with_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conse_files, "_LITE0", ("efficientnet_that_nobody_has", "x.pth"))
    with pytest.raises(ConfigError, match="efficientnet-that-nobody-has, which is not installed: `make env-search`"):
        conse_files.find_files()


def test_the_network_halves_its_pictures_as_tensorflow_does() -> None:
    net = Lite0().eval()
    assert net(torch.zeros(2, 3, 224, 224)).shape == (2, 1000)
    # Padded on the right and below alone, a stride of 2 looks at columns 0 to 2 first.
    weight = net._conv_stem.weight.data
    weight.zero_()
    weight[0, 0, 1, 1] = 1
    picture = torch.zeros(1, 3, 8, 8)
    picture[0, 0, 1, 1] = 7
    assert net._conv_stem(picture)[0, 0, 0, 0] == 7
