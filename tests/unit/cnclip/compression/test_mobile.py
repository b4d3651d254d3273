import json
from pathlib import Path

import pytest

from scripts.cnclip.compression import mobile
from scripts.cnclip.compression.mobile import make_mobile
from scripts.cnclip.compression.mobile_manifest import MANIFEST, read_manifest
from scripts.cnclip.compression.onnx_file import EXTRA
from scripts.cnclip.encoder import open_model
from scripts.cnclip.model_files.folder import ModelFacts, save_model
from scripts.shared.errors import ConfigError, JobError
from scripts.shared.fingerprints import file_sha256
from tests.cnclip_models import golden_model


@pytest.fixture(scope="module")
def towers(model_dir: Path, exports: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mobile") / "golden"
    make_mobile(model_dir, exports, folder)
    return folder


def test_folder_holds_the_int8_export_and_what_using_it_takes(towers: Path, exports: Path, model_dir: Path) -> None:
    assert sorted(file.name for file in towers.iterdir()) == [
        *("characters.json", "golden.img.int8.onnx", "golden.txt.int8.onnx", "manifest.json", "vocab.txt"),
    ]
    manifest = read_manifest(towers)
    for key, file in manifest.files.items():
        if key != "characters":
            assert (towers / file.name).read_bytes() == (exports / file.name).read_bytes()
        assert (towers / file.name).stat().st_size == file.size_bytes
        assert file_sha256(towers / file.name) == file.sha256
    int8 = open_model(exports, "onnx_int8", device="cpu")
    assert (manifest.identity, manifest.tokenizer_identity) == (int8.identity, int8.tokenizer_identity)
    assert (manifest.dim, manifest.context_length, manifest.image_size) == (int8.dim, 52, int8.image_size)
    assert manifest.opset == 20
    assert {"MatMulInteger", "ConvInteger", "Gelu"} <= set(manifest.operators) <= mobile.BROWSER_OPERATORS
    assert manifest.answers(int8.identity)
    assert manifest.answers(open_model(model_dir, device="cpu").identity)
    assert not manifest.answers("another model")


def test_equal_exports_give_equal_bytes(towers: Path, exports: Path, model_dir: Path, tmp_path: Path) -> None:
    make_mobile(model_dir, exports, tmp_path / "again")
    assert (tmp_path / "again" / MANIFEST).read_bytes() == (towers / MANIFEST).read_bytes()


def test_exports_of_other_weights_are_refused(exports: Path, tmp_path: Path) -> None:
    other = golden_model()
    other.logit_scale.data += 0.1
    save_model(other, tmp_path / "other", facts=ModelFacts("other"))
    with pytest.raises(ConfigError, match="was exported from other weights"):
        make_mobile(tmp_path / "other", exports, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_operator_that_no_browser_has_run_is_refused_by_name(
    exports: Path, model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mobile, "BROWSER_OPERATORS", mobile.BROWSER_OPERATORS - {"Gelu"})
    with pytest.raises(JobError, match=r"golden\.txt\.int8\.onnx: uses Gelu, which was never run in a browser"):
        make_mobile(model_dir, exports, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_tower_whose_weights_lie_beside_it_is_too_large(tmp_path: Path) -> None:
    (tmp_path / "big.onnx").touch()
    (tmp_path / f"big.onnx{EXTRA}").touch()
    with pytest.raises(JobError, match="too large for a phone"):
        mobile.read_graph(tmp_path / "big.onnx")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"dim": None}, "does not describe towers"),
        ({"files": {"txt": {"name": "../secret", "size_bytes": 1, "sha256": ""}}}, "is of another version"),
        ({"format": 2}, "is of another version"),
    ],
)
def test_damaged_manifest_names_its_mend(
    towers: Path, tmp_path: Path, changed: dict[str, object], message: str
) -> None:
    said = json.loads((towers / MANIFEST).read_text()) | changed
    (tmp_path / MANIFEST).write_text(json.dumps({key: value for key, value in said.items() if value is not None}))
    with pytest.raises(ConfigError, match=rf"{MANIFEST}: {message}.*snakemake cnclip_export_mobile"):
        read_manifest(tmp_path)


def test_manifest_leads_to_no_file_elsewhere(towers: Path, tmp_path: Path) -> None:
    said = json.loads((towers / MANIFEST).read_text())
    said["files"]["txt"]["name"] = "../golden/golden.txt.int8.onnx"
    (tmp_path / MANIFEST).write_text(json.dumps(said))
    with pytest.raises(ConfigError, match="names a file outside its folder"):
        read_manifest(tmp_path)


def test_folder_without_a_manifest_names_the_rule(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"No such file.*cnclip_export_mobile"):
        read_manifest(tmp_path)
