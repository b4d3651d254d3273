import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scripts.cnclip.compression.export_file import read_export
from scripts.cnclip.encoder import open_model
from scripts.shared.errors import ConfigError

TEXTS = ["红色的杯子", "一只猫", "“引号”和ABC", ""]
PIXELS = np.random.default_rng(1).integers(0, 256, (5, 3, 32, 32)).astype(np.uint8)
LEAST = {"onnx_fp32": 1 - 1e-6, "onnx_fp16": 1 - 1e-4, "onnx_int8": 0.99}


@pytest.mark.parametrize("form", LEAST)
def test_a_form_is_the_model(exports: Path, model_dir: Path, form: str) -> None:
    model, exported = open_model(model_dir, device="cpu"), open_model(exports, form, device="cpu")
    assert (exported.encode_text(TEXTS) * model.encode_text(TEXTS)).sum(1).min() > LEAST[form]
    assert (exported.encode_pixels(PIXELS) * model.encode_pixels(PIXELS)).sum(1).min() > LEAST[form]
    for name in ("dim", "context_length", "image_size", "tokenizer_identity"):
        assert getattr(exported, name) == getattr(model, name)
    assert exported.logit_scale == pytest.approx(model.logit_scale)
    assert exported.identity != model.identity


@pytest.mark.parametrize("form", LEAST)
def test_a_row_does_not_depend_on_its_company(exports: Path, form: str) -> None:
    exported = open_model(exports, form, device="cpu")
    together = exported.encode_pixels(PIXELS)
    assert np.array_equal(exported.encode_pixels(PIXELS[3:4]), together[3:4])
    assert np.array_equal(exported.encode_pixels(PIXELS[::-1]), together[::-1])
    assert np.array_equal(exported.encode_text(TEXTS[1:2]), exported.encode_text(TEXTS)[1:2])


def test_forms_have_identities_of_their_own(exports: Path) -> None:
    assert len({open_model(exports, form, device="cpu").identity for form in LEAST}) == len(LEAST)


def test_nothing_to_encode_gives_no_rows(exports: Path) -> None:
    exported = open_model(exports, "onnx_fp32", device="cpu")
    assert exported.encode_text([]).shape == exported.encode_pixels(PIXELS[:0]).shape == (0, 20)


def test_a_form_that_was_skipped_says_why(exports: Path) -> None:
    with pytest.raises(ConfigError, match="no form tensorrt of golden: the Python package tensorrt is not installed"):
        open_model(exports, "tensorrt")


def test_damaged_and_foreign_files_are_refused(exports: Path, tmp_path: Path) -> None:
    copy = tmp_path / "exports"
    shutil.copytree(exports, copy)
    (copy / "golden.img.fp16.onnx").write_bytes(b"other")
    with pytest.raises(ConfigError, match=r"golden\.img\.fp16\.onnx: is not the file that export\.json"):
        open_model(copy, "onnx_fp16")
    (copy / "golden.txt.int8.onnx").unlink()
    with pytest.raises(ConfigError, match=r"golden\.txt\.int8\.onnx: No such file"):
        open_model(copy, "onnx_int8")
    said = json.loads((copy / "export.json").read_text())
    said["forms"]["onnx_fp32"]["files"]["img"] = {"../golden.img.fp32.onnx": ""}
    (copy / "export.json").write_text(json.dumps(said))
    with pytest.raises(ConfigError, match=r"forms\.onnx_fp32\.files\.img: one file name is needed"):
        open_model(copy, "onnx_fp32")
    (copy / "export.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"export\.json: does not describe an export"):
        open_model(copy, "onnx_fp32")
    (copy / "export.json").unlink()
    with pytest.raises(ConfigError, match=r"export\.json: No such file"):
        open_model(copy, "onnx_fp32")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"image_size": "x"}, "image_size is 'x'"),
        ({"context_length": 10**9}, "context_length is 1000000000"),
        ({"forms": {"evil": {}}}, "no form 'evil'"),
        ({"forms": {"onnx_fp32": {"files": ["a"]}}}, r"forms\.onnx_fp32\.files names no files by half"),
        ({"forms": {"onnx_fp32": {"files": {"img": 5}}}}, r"forms\.onnx_fp32\.files names no files by half"),
    ],
)
def test_an_export_that_tells_nonsense_is_refused(
    exports: Path, tmp_path: Path, change: dict[str, object], told: str
) -> None:
    said = json.loads((exports / "export.json").read_text()) | change
    (tmp_path / "export.json").write_text(json.dumps(said))
    with pytest.raises(ConfigError, match=rf"export\.json: does not describe an export \({told}"):
        read_export(tmp_path)


def test_onnx_runs_without_torch(exports: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from scripts.cnclip.encoder import open_model;"
        f"model = open_model(Path({str(exports)!r}), 'onnx_fp32', device='cpu'); model.encode_text(['猫']);"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
