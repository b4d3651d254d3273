from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from scripts.cnclip.compression.halves import INPUTS, OUTPUTS, SIDES, Side
from scripts.cnclip.compression.int8 import to_int8
from scripts.cnclip.compression.onnx_export import export_tower
from scripts.cnclip.compression.onnx_file import files_of, write_model
from scripts.cnclip.compression.towers import towers
from tests.cnclip_models import GOLDEN, golden_model

GOLDEN_ARRAYS = np.load(GOLDEN / "tiny_vit_golden.npz")
ROWS = {"img": GOLDEN_ARRAYS["pixel_values"], "txt": GOLDEN_ARRAYS["input_ids"]}
FEATURES = {"img": GOLDEN_ARRAYS["image_features"], "txt": GOLDEN_ARRAYS["text_features"]}
UNIT = {"img": GOLDEN_ARRAYS["image_features_norm"], "txt": GOLDEN_ARRAYS["text_features_norm"]}


def run(file: Path, side: Side, rows: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return session.run([OUTPUTS[side]], {INPUTS[side]: rows})[0]


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("side", SIDES)
def test_onnx_gives_upstreams_features_at_every_batch_size(exports: Path, side: Side) -> None:
    rows, wanted = ROWS[side], FEATURES[side]
    file = exports / f"golden.{side}.fp32.onnx"
    assert np.abs(run(file, side, rows) - wanted).max() < 1e-5
    assert np.abs(run(file, side, rows[:1]) - wanted[:1]).max() < 1e-5
    tiled = run(file, side, np.concatenate([rows] * 6)[:17])
    assert np.abs(tiled - np.concatenate([wanted] * 6)[:17]).max() < 1e-5


def test_padding_changes_no_text(exports: Path) -> None:
    trimmed = GOLDEN_ARRAYS["input_ids_trimmed"]
    padded = np.zeros((len(trimmed), 52), np.int64)
    padded[:, : trimmed.shape[1]] = trimmed
    found = run(exports / "golden.txt.fp32.onnx", "txt", padded)
    assert np.abs(found - GOLDEN_ARRAYS["text_features_trimmed"]).max() < 1e-5


@pytest.mark.parametrize("side", SIDES)
def test_half_precision_is_near_and_half_the_size(exports: Path, side: Side) -> None:
    file = exports / f"golden.{side}.fp16.onnx"
    assert np.abs(unit(run(file, side, ROWS[side])) - UNIT[side]).max() < 2e-3
    assert run(file, side, ROWS[side]).dtype == np.float32
    full = (exports / f"golden.{side}.fp32.onnx").stat().st_size
    assert file.stat().st_size < (0.52 if side == "txt" else 0.6) * full


@pytest.mark.parametrize("side", SIDES)
def test_eight_bits_are_near_and_a_quarter_of_the_size(exports: Path, side: Side) -> None:
    file = exports / f"golden.{side}.int8.onnx"
    cosines = (unit(run(file, side, ROWS[side])) * UNIT[side]).sum(1)
    assert cosines.min() > 0.99
    full = (exports / f"golden.{side}.fp32.onnx").stat().st_size
    assert file.stat().st_size < (0.3 if side == "txt" else 0.6) * full  # a small graph is mostly operators


@pytest.mark.parametrize("side", SIDES)
def test_files_have_the_official_names_and_an_open_batch(exports: Path, side: Side) -> None:
    row = {"img": ["float", 3, 32, 32], "txt": ["int64", 52]}[side]
    for form in ("fp32", "fp16", "int8"):
        session = onnxruntime.InferenceSession(exports / f"golden.{side}.{form}.onnx")
        (entry,), (exit_,) = session.get_inputs(), session.get_outputs()
        assert (entry.name, entry.type, entry.shape[1:]) == (INPUTS[side], f"tensor({row[0]})", row[1:])
        assert (exit_.name, exit_.type, exit_.shape[1:]) == (OUTPUTS[side], "tensor(float)", [20])
        assert not isinstance(entry.shape[0], int)


def test_files_say_nothing_of_the_machine_they_were_made_on(exports: Path) -> None:
    for file in exports.glob("*.onnx"):
        content = file.read_bytes()
        for word in (b"stack_trace", b".py", b"site-packages", b"/home", b"/tmp"):
            assert word not in content, f"{file.name}: {word!r}"


def test_a_second_export_has_the_same_bytes(exports: Path, tmp_path: Path) -> None:
    again = export_tower(towers(golden_model())["txt"], "txt", (52,))
    write_model(again, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == (exports / "golden.txt.fp32.onnx").read_bytes()


def test_quantising_twice_gives_the_same_bytes_and_leaves_its_input_alone(exports: Path, tmp_path: Path) -> None:
    model = onnx.load(exports / "golden.img.fp32.onnx")
    before = model.SerializeToString(deterministic=True)
    write_model(to_int8(model), tmp_path / "again.onnx")
    assert model.SerializeToString(deterministic=True) == before
    assert (tmp_path / "again.onnx").read_bytes() == (exports / "golden.img.int8.onnx").read_bytes()


def test_exporting_leaves_the_model_as_it_was() -> None:
    model = golden_model()
    before = model.config._attn_implementation
    towers(model)
    assert model.config._attn_implementation == before != "eager"


def test_weights_that_one_file_cannot_hold_lie_beside_it(exports: Path, tmp_path: Path) -> None:
    model = onnx.load(exports / "golden.img.fp32.onnx")
    file = tmp_path / "large.img.fp32.onnx"
    for _ in range(2):  # the second time over the first
        write_model(model, file, most_inside=1_000)
        assert [path.name for path in files_of(file)] == ["large.img.fp32.onnx", "large.img.fp32.onnx.extra_file"]
        sizes = [path.stat().st_size for path in files_of(file)]
        assert np.abs(run(file, "img", ROWS["img"]) - FEATURES["img"]).max() < 1e-5
    assert sizes == [path.stat().st_size for path in files_of(file)]
    assert sum(sizes) < 1.2 * (exports / "golden.img.fp32.onnx").stat().st_size
