import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from scripts.cnclip.encoder import fixed_batches, load, open_model, unit_rows
from scripts.cnclip.model_files.architecture import random_model
from scripts.cnclip.model_files.folder import ModelFacts, save_model
from scripts.cnclip.model_files.official import to_official
from scripts.cnclip.pixels import pixel_values
from scripts.cnclip.tokens import Tokenizer
from scripts.cnclip.torch_encoder import TorchEncoder
from scripts.shared.errors import ConfigError, SampleError
from tests.cnclip_models import GOLDEN, golden_model, save_checkpoint

RNG = np.random.default_rng(5)
PIXELS = RNG.integers(0, 256, (40, 3, 32, 32), dtype=np.uint8)
PICTURES = [Image.fromarray(rows.transpose(1, 2, 0)) for rows in PIXELS[:3]]
TEXTS = [f"{colour}色的{what}" for colour in "红黄蓝绿白黑" for what in ("杯子", "猫", "花", "月亮", "书包", "鞋")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_model(random_model("tiny", 1), folder, facts=ModelFacts("tiny", context_length=24))
    return folder


@pytest.fixture(scope="module")
def encoder(folder: Path) -> TorchEncoder:
    found = open_model(folder, device="cpu")
    assert isinstance(found, TorchEncoder)
    return found


def test_unit_features_are_upstreams() -> None:
    golden = np.load(GOLDEN / "tiny_vit_golden.npz")
    found = TorchEncoder(golden_model(), Tokenizer(), identity="", device="cpu")
    assert np.abs(found.encode_tokens(golden["input_ids"]) - golden["text_features_norm"]).max() < 1e-6
    assert np.abs(found.encode_pixels(golden["pixel_values"]) - golden["image_features_norm"]).max() < 1e-6
    assert found.logit_scale == pytest.approx(float(golden["logit_scale_exp"]), rel=1e-6)


def test_model_says_what_it_is(encoder: TorchEncoder) -> None:
    assert (encoder.dim, encoder.context_length, encoder.image_size) == (64, 24, 32)
    assert encoder.tokenizer_identity == Tokenizer().identity
    assert encoder.logit_scale == pytest.approx(1 / 0.07)


def test_vectors_are_float32_of_unit_length(encoder: TorchEncoder) -> None:
    for features in (encoder.encode_text(TEXTS), encoder.encode_image(PICTURES)):
        assert features.dtype == np.float32
        assert np.abs(np.linalg.norm(features, axis=1) - 1).max() < 1e-6


def test_company_and_place_change_no_byte(encoder: TorchEncoder) -> None:
    texts, images = encoder.encode_text(TEXTS), encoder.encode_pixels(PIXELS)
    order = RNG.permutation(len(TEXTS))
    assert np.array_equal(encoder.encode_text([TEXTS[number] for number in order]), texts[order])
    assert np.array_equal(encoder.encode_pixels(PIXELS[::-1]), images[::-1])
    for number in (0, 17, 35):
        assert np.array_equal(encoder.encode_text([TEXTS[number]])[0], texts[number])
        assert np.array_equal(encoder.encode_pixels(PIXELS[number : number + 1])[0], images[number])


def test_batch_size_changes_vectors_by_rounding_only(folder: Path, encoder: TorchEncoder) -> None:
    one = open_model(folder, device="cpu", batch_size=1)
    assert np.abs(one.encode_text(TEXTS) - encoder.encode_text(TEXTS)).max() < 1e-6


def test_bytes_and_floats_of_a_picture_give_equal_vectors(encoder: TorchEncoder) -> None:
    floats = np.stack([pixel_values(picture, 32) for picture in PICTURES])
    assert np.array_equal(encoder.encode_pixels(floats), encoder.encode_pixels(PIXELS[:3]))


def test_path_bytes_and_picture_give_equal_vectors(encoder: TorchEncoder, tmp_path: Path) -> None:
    PICTURES[0].save(tmp_path / "猫.png")
    file = io.BytesIO()
    PICTURES[0].save(file, "PNG")
    found = encoder.encode_image([tmp_path / "猫.png", file.getvalue(), PICTURES[0]])
    assert np.array_equal(found, np.repeat(found[:1], 3, axis=0))


def test_captions_are_read_as_in_training(encoder: TorchEncoder) -> None:
    first, second = encoder.encode_text(["“红色”的 Cup[SEP]", '"红色"的 cup[sep]'])
    assert np.array_equal(first, second)


def test_similarity_is_the_cosine_of_each_pair(encoder: TorchEncoder) -> None:
    found = encoder.similarity(TEXTS[:4], PICTURES)
    assert found.shape == (4, 3)
    text, image = encoder.encode_text([TEXTS[2]])[0], encoder.encode_image([PICTURES[1]])[0]
    assert found[2, 1] == pytest.approx(float(text @ image), abs=1e-6)


def test_nothing_to_encode_gives_no_rows(encoder: TorchEncoder) -> None:
    assert encoder.encode_text([]).shape == (0, 64)
    assert encoder.encode_image([]).shape == (0, 64)


def test_single_text_or_picture_is_refused(encoder: TorchEncoder) -> None:
    with pytest.raises(TypeError, match=r"write \[text\]"):
        encoder.encode_text("猫")
    with pytest.raises(TypeError, match=r"write \[picture\]"):
        encoder.encode_image(PICTURES[0])  # type: ignore[arg-type]


def test_bad_picture_is_named(encoder: TorchEncoder, tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    with pytest.raises(SampleError, match=r"bad.jpg: "):
        encoder.encode_image([PICTURES[0], tmp_path / "bad.jpg"])
    with pytest.raises(SampleError, match="picture 1: "):
        encoder.encode_image([PICTURES[0], b"no picture"])
    with pytest.raises(SampleError, match=r"picture 0: .*gone.jpg.*No such file"):
        encoder.encode_image([tmp_path / "gone.jpg"])


def test_identity_tells_weights_and_sizes_apart(folder: Path, encoder: TorchEncoder, tmp_path: Path) -> None:
    for name, seed in (("same", 1), ("other", 2)):
        save_model(random_model("tiny", seed), tmp_path / name, facts=ModelFacts(name))
    assert open_model(tmp_path / "same").identity == encoder.identity
    assert open_model(tmp_path / "other").identity != encoder.identity
    said = json.loads((tmp_path / "same" / "config.json").read_text())
    said["text_config"]["num_attention_heads"] = 4
    (tmp_path / "same" / "config.json").write_text(json.dumps(said))
    assert open_model(tmp_path / "same").identity != encoder.identity


def test_official_checkpoint_is_loaded_as_it_is(encoder: TorchEncoder, tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "epoch3.pt", to_official(random_model("tiny", 1).state_dict()))
    found = load(path, device="cpu")
    assert found.context_length == 52
    assert np.array_equal(found.encode_image(PICTURES), encoder.encode_image(PICTURES))


def test_model_is_loaded_by_the_name_of_its_run(folder: Path, encoder: TorchEncoder, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"results_dir: {tmp_path}\ncnclip: {{runs: {{mine: {{preset: tiny, dataset: demo}}}}}}\n")
    with pytest.raises(ConfigError, match=r"mine: .* is yet to be made"):
        load("mine", config=config)
    place = tmp_path / "cnclip" / "runs" / "mine"
    place.mkdir(parents=True)
    (place / "model").symlink_to(folder)
    assert load("mine", device="cpu", config=config).identity == encoder.identity
    with pytest.raises(ConfigError, match=r"config.yaml: .*no model or run 'other'.*another configuration"):
        load("other", config=config)


def test_missing_path_and_unknown_form_are_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"none/model: no such model folder or file"):
        load("none/model")
    with pytest.raises(ConfigError, match=r"none.pt: no such model folder or file"):
        load("none.pt")
    with pytest.raises(ConfigError, match="no form 'onnx' of a model; there are torch, onnx_fp32"):
        open_model(folder, "onnx")


def test_context_longer_than_the_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="context_length: 65 is not from 2 to the model's 64"):
        TorchEncoder(random_model("tiny", 1), Tokenizer(), identity="", context_length=65)


def test_door_is_light_until_a_model_is_opened() -> None:
    code = (
        "import sys, scripts.cnclip.encoder; sys.exit(any(name in sys.modules for name in ('torch', 'transformers')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_batches_have_one_shape_and_rows_stay_in_order() -> None:
    shapes = []

    def run(batch: np.ndarray) -> np.ndarray:
        shapes.append(batch.shape)
        return batch.astype(np.float32)

    rows = np.arange(14).reshape(7, 2)
    assert fixed_batches(rows, 3, run).tolist() == rows.tolist()
    assert shapes == [(3, 2)] * 3


def test_row_without_length_becomes_nan_rather_than_a_warning() -> None:
    found = unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]], dtype=np.float32))
    assert found[0].tolist() == pytest.approx([0.6, 0.8])
    assert np.isnan(found[1]).all()


def test_encoding_runs_in_one_thread(encoder: TorchEncoder) -> None:
    encoder.encode_text(TEXTS[:1])
    assert torch.get_num_threads() == 1
