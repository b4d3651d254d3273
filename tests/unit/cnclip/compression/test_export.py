import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from scripts.cnclip.compression import export
from scripts.cnclip.compression.export import export_model
from scripts.cnclip.compression.export_file import read_export
from scripts.cnclip.compression.likeness import Likeness, likeness, probe_rows, worst
from scripts.cnclip.model_files.folder import ModelFacts, save_model
from scripts.shared.errors import ConfigError, JobError
from tests.cnclip_models import golden_model


def test_what_was_made_is_written_down_with_how_near_it_is(exports: Path) -> None:
    found = read_export(exports)
    assert (found.name, found.dim, found.context_length, found.image_size) == ("golden", 20, 52, 32)
    assert found.parameters["all"] == sum(found.parameters[side] for side in ("img", "txt")) + 1
    assert found.forms["onnx_fp32"].differences["txt"]["max_difference"] < 1e-6
    assert 1e-6 < found.forms["onnx_fp16"].differences["img"]["max_difference"] < 1e-2
    assert found.forms["onnx_int8"].differences["txt"]["mean_cosine"] > 0.99
    files = [exports / name for one in found.forms["onnx_int8"].files.values() for name in one]
    assert found.forms["onnx_int8"].size_bytes == sum(file.stat().st_size for file in files)
    assert found.checked_with == {"img": 7, "txt": 7, "batch_sizes": [1, 2, 5]}


def test_two_exports_are_equal_to_the_last_byte(stored_export: Path, model_dir: Path, tmp_path: Path) -> None:
    export_model(model_dir, tmp_path / "again", name="golden")
    names = sorted(file.name for file in stored_export.iterdir())
    assert sorted(file.name for file in (tmp_path / "again").iterdir()) == names
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (stored_export / name).read_bytes(), name


@pytest.mark.usefixtures("stored_export")
def test_an_export_that_is_not_the_model_is_not_kept(
    model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true_export = export.export_tower

    def other(*args: Any) -> onnx.ModelProto:
        model = true_export(*args)
        weights = next(tensor for tensor in model.graph.initializer if len(tensor.dims) == 2)
        weights.raw_data = (1.01 * np.frombuffer(weights.raw_data, np.float32)).astype(np.float32).tobytes()
        return model

    monkeypatch.setattr(export, "export_tower", other)
    out = tmp_path / "out"
    out.mkdir()
    (out / "older").write_text("kept")
    with pytest.raises(
        JobError,
        match=r"golden\.txt\.fp32\.onnx: not kept: its vectors have a cosine of 0\.9999.* 0\.999999999 is the least",
    ):
        export_model(model_dir, out, name="golden")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "older"]


def test_only_the_forms_asked_for_are_made(stored_export: Path, model_dir: Path, tmp_path: Path) -> None:
    export_model(model_dir, tmp_path / "out", name="kl", forms=["onnx_int8"])
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        *("export.json", "kl.img.int8.onnx", "kl.txt.int8.onnx", "vocab.txt")
    ]


@pytest.mark.parametrize(
    ("forms", "told"),
    [(["onnx_fp8"], "no form 'onnx_fp8'; there are onnx_fp32"), (["tensorrt"], "tensorrt is built from onnx_fp16")],
)
def test_forms_that_do_not_exist_or_lack_their_source_are_refused(
    forms: list[str], told: str, model_dir: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=told):
        export_model(model_dir, tmp_path / "out", name="golden", forms=forms)


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    save_model(golden_model(), tmp_path / "model", facts=ModelFacts("m"))
    facts = json.loads((tmp_path / "model/polymill.json").read_text())
    (tmp_path / "model/polymill.json").write_text(json.dumps(facts | {"kind": "multilingual"}))
    with pytest.raises(ConfigError, match="is a model of the kind multilingual"):
        export_model(tmp_path / "model", tmp_path / "out", name="m")


def test_likeness_is_of_directions_not_of_lengths() -> None:
    rows = np.array([[3, 4], [0, 2]], np.float32)
    assert likeness(rows * 7, rows) == pytest.approx(Likeness(0, 1, 1), abs=1e-12)
    other = likeness(np.array([[3, 4], [2, 0]], np.float32), rows)
    assert other == pytest.approx(Likeness(1, 0, 0.5))
    assert not other.within("onnx_int8")


@pytest.mark.parametrize("place", [0, 1])
def test_a_vector_without_numbers_is_like_none(place: int) -> None:
    rows = np.ones((2, 2), np.float32)
    broken = rows.copy()
    broken[place] = np.nan
    parts = [likeness(rows, rows), likeness(rows, rows)]
    parts[place] = likeness(broken, rows)
    assert not worst(parts).within("onnx_int8")
    assert worst([likeness(rows, rows)]).within("onnx_fp32")


def test_probe_texts_are_short_and_full_and_padded_behind() -> None:
    ids = probe_rows("txt", (52,), vocabulary=21_128)
    lengths = (ids != 0).sum(1)
    assert set(lengths) == {2, 3, 12, 26, 51, 52}
    assert all((row[:length] != 0).all() for row, length in zip(ids, lengths, strict=True))
    assert ids.max() < 21_128
    assert probe_rows("img", (3, 30, 30), vocabulary=0).shape == (7, 3, 30, 30)
