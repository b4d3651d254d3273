import hashlib
import json
import shutil
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from transformers.models.chinese_clip.modeling_chinese_clip import ChineseCLIPModel

from scripts.cnclip.compression.archive import unpack
from scripts.cnclip.compression.package import make_package, write_archive
from scripts.cnclip.compression.package_check import Evaluated, verify_package
from scripts.cnclip.model_files.folder import ModelFacts, save_model
from scripts.shared.errors import ConfigError, JobError
from tests.cnclip_models import golden_model
from tests.unit.cnclip.compression.toy_evaluation import DATASET, make_data, run_evaluation


class Packed(NamedTuple):
    package: Path
    evaluated: list[Evaluated]
    metrics: list[Path]


@pytest.fixture(scope="module")
def packed(model_dir: Path, exports: Path, tmp_path_factory: pytest.TempPathFactory) -> Packed:
    root = tmp_path_factory.mktemp("packages")
    make_data(root / "data")
    evaluated = [
        run_evaluation(root / "data", folder, form, root / "eval" / form)
        for folder, form in ((model_dir, "torch"), (exports, "onnx_int8"))
    ]
    metrics = [root / "eval" / form / "metrics.json" for form in ("torch", "onnx_int8")]
    make_package(model_dir, exports, root / "golden.tar.gz", name="golden", evaluations=metrics)
    return Packed(root / "golden.tar.gz", evaluated, metrics)


def test_a_package_holds_the_model_and_nothing_else(packed: Packed) -> None:
    with tarfile.open(packed.package) as tar:
        names = tar.getnames()
    onnx = [f"golden.{side}.{form}.onnx" for side in ("img", "txt") for form in ("fp16", "fp32", "int8")]
    assert names == sorted(names)
    assert {name.removeprefix("golden/") for name in names} == {
        *("MODEL_CARD.md", "SHA256SUMS", "config.json", "metrics.json", "model.safetensors", "polymill.json"),
        *("preprocessor_config.json", "tokenizer_config.json", "vocab.txt", "onnx/export.json", "onnx/vocab.txt"),
        *(f"onnx/{name}" for name in onnx),
    }


def test_equal_input_gives_equal_packages(packed: Packed, model_dir: Path, exports: Path, tmp_path: Path) -> None:
    slower = []
    for path in packed.metrics:
        said = json.loads(path.read_text())
        slower.append(tmp_path / f"{path.parent.name}.json")
        slower[-1].write_text(json.dumps(said | {"latency": {"picture_ms": 99.0, "text_ms": 99.0}}))
    make_package(model_dir, exports, tmp_path / "again.tar.gz", name="golden", evaluations=slower[::-1])
    assert (tmp_path / "again.tar.gz").read_bytes() == packed.package.read_bytes()


def test_a_package_is_what_others_read(packed: Packed, tmp_path: Path) -> None:
    folder = unpack(packed.package, tmp_path)
    assert subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=folder).returncode == 0
    found, wanted = ChineseCLIPModel.from_pretrained(folder).state_dict(), golden_model().state_dict()
    for words in (found, wanted):  # from_pretrained makes the vector of [PAD] zero; nothing ever attends to it
        words["text_model.embeddings.word_embeddings.weight"][0] = 0
    assert [key for key in wanted if not torch.equal(found[key], wanted[key])] == []
    card = (folder / "MODEL_CARD.md").read_text()
    assert "| toy test | onnx_int8 | text to image |" in card
    assert "Trained on: made-up" in card
    assert "| zero-shot |" in card


def test_a_package_tells_no_captions(packed: Packed, tmp_path: Path) -> None:
    folder = unpack(packed.package, tmp_path)
    for file in ("metrics.json", "MODEL_CARD.md", "onnx/export.json"):
        assert "张图片" not in (folder / file).read_text()
        assert "张图片" in packed.metrics[0].read_text()


def test_a_package_loaded_again_gives_its_vectors_and_scores(packed: Packed, tmp_path: Path) -> None:
    verify_package(packed.package, tmp_path / "v/report.json", evaluated=packed.evaluated)
    report = json.loads((tmp_path / "v/report.json").read_text())
    assert [path.name for path in (tmp_path / "v").iterdir()] == ["report.json"]
    assert report["sha256"] == hashlib.sha256(packed.package.read_bytes()).hexdigest()
    assert sorted(report["forms"]) == ["onnx_fp16", "onnx_fp32", "onnx_int8"]
    assert report["forms"]["onnx_fp32"]["img"]["max_difference"] < 1e-6
    assert report["not_evaluated_again"] == []
    for found, path in zip(report["evaluated_again"], packed.metrics, strict=True):
        said = json.loads(path.read_text())
        assert found["max_difference"] == 0
        assert found["encoded_again"] == {"pictures": 12, "texts": 12}
        assert found["recall"] == {name: one["recall"] for name, one in said["directions"].items()}


def test_a_part_is_encoded_again_where_all_would_be_too_many(packed: Packed, tmp_path: Path) -> None:
    verify_package(packed.package, tmp_path / "report.json", evaluated=packed.evaluated[:1], most_encoded=5)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["evaluated_again"][0]["encoded_again"] == {"pictures": 5, "texts": 5}
    assert report["not_evaluated_again"] == [f"{DATASET}: onnx_int8"]


def repacked(package: Path, root: Path, changes: dict[str, bytes | None], *, sums: bool) -> Path:
    """The package with files changed or removed; with `sums`, its checksums made to fit."""
    folder = unpack(package, root / "unpacked")
    content = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    content = {name: data for name, data in (content | changes).items() if data is not None}
    if sums:
        lines = [
            f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in content.items() if "SUMS" not in name
        ]
        content["SHA256SUMS"] = "".join(lines).encode()
    with (root / "changed.tar.gz").open("wb") as file:
        write_archive(file, "golden", content)
    return root / "changed.tar.gz"


@pytest.mark.parametrize(
    ("changes", "sums", "told"),
    [
        ({"vocab.txt": b"other"}, False, r"golden/vocab\.txt: is not the file"),
        ({"config.json": None}, False, r"golden/config\.json: is missing"),
        ({"extra.py": b"print()"}, False, r"golden/extra\.py: has no checksum"),
        ({"SHA256SUMS": b"nothing of the kind"}, False, "is no line of sha256sum"),
        ({"SHA256SUMS": None}, False, "SHA256SUMS: cannot be read"),
        ({"model.safetensors": b"other"}, True, r"model\.safetensors: is not the file that polymill\.json"),
        ({"onnx/golden.img.int8.onnx": b"other"}, True, r"golden\.img\.int8\.onnx: is not the file that export\.json"),
        ({"metrics.json": b"[1]"}, True, r"metrics\.json: does not hold metrics"),
        ({"metrics.json": b'{"toy": {"torch": 5}}'}, True, r"metrics\.json: does not hold metrics"),
        ({"metrics.json": b'{"toy": {"torch": {"directions": {"t2i": {}}}}}'}, True, r"metrics\.json: does not hold"),
        ({"metrics.json": b"{}"}, True, "golden: torch on toy: metrics.json in the package does not tell of it"),
    ],
)
def test_a_changed_package_is_refused(
    packed: Packed, tmp_path: Path, changes: dict[str, bytes | None], sums: bool, told: str
) -> None:
    package = repacked(packed.package, tmp_path, changes, sums=sums)
    with pytest.raises((JobError, ConfigError), match=told):
        verify_package(package, tmp_path / "report.json", evaluated=packed.evaluated[:1])
    assert not (tmp_path / "report.json").exists()


def test_scores_that_are_not_the_models_are_refused(packed: Packed, tmp_path: Path) -> None:
    metrics = json.loads((unpack(packed.package, tmp_path / "one") / "metrics.json").read_text())
    metrics[DATASET]["torch"]["directions"]["i2t"]["recall"]["r1"] += 50
    package = repacked(packed.package, tmp_path, {"metrics.json": json.dumps(metrics).encode()}, sums=True)
    with pytest.raises(JobError, match="torch on toy: i2t recall is "):
        verify_package(package, tmp_path / "report.json", evaluated=packed.evaluated[:1])


def test_vectors_that_are_not_the_models_are_refused(packed: Packed, tmp_path: Path) -> None:
    one = packed.evaluated[0]
    shutil.copytree(one.features, tmp_path / "features")
    path = tmp_path / "features/image_features.npy"
    np.save(path, np.load(path)[::-1])
    with pytest.raises(JobError, match=r"torch on toy: its vectors differ by"):
        verify_package(
            packed.package, tmp_path / "report.json", evaluated=[replace(one, features=tmp_path / "features")]
        )


def test_an_export_of_other_weights_is_not_packed(exports: Path, tmp_path: Path) -> None:
    other = golden_model()
    other.logit_scale.data += 0.1
    save_model(other, tmp_path / "other", facts=ModelFacts("other"))
    with pytest.raises(ConfigError, match="was exported from other weights"):
        make_package(tmp_path / "other", exports, tmp_path / "p.tar.gz", name="other")
    assert not (tmp_path / "p.tar.gz").exists()


def test_two_evaluations_of_one_form_are_refused(
    packed: Packed, model_dir: Path, exports: Path, tmp_path: Path
) -> None:
    with pytest.raises(JobError, match="a second evaluation of torch on toy"):
        make_package(model_dir, exports, tmp_path / "p.tar.gz", name="golden", evaluations=[packed.metrics[0]] * 2)
