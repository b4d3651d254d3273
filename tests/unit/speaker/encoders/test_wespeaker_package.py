"""The real package cannot be imported here; tests/stand_ins/wespeaker has its interface and its defects."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from scripts.shared.errors import ConfigError
from scripts.speaker.encoders.native import load_native
from scripts.speaker.encoders.torch_encoder import TorchEncoder
from scripts.speaker.encoders.wespeaker_package import load_wespeaker
from tests.unit.speaker.encoders.conftest import GOLDEN, noise, write_bomb

STAND_INS = Path("tests/stand_ins").absolute()


@pytest.fixture
def _package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(STAND_INS)
    monkeypatch.delitem(sys.modules, "wespeaker", raising=False)


def load(folder: Path | str, device: str = "cpu") -> TorchEncoder:
    return load_wespeaker(str(folder), name="tiny", device=device, precision="float32")


def copy(folder: str, to: Path) -> Path:
    to.mkdir()
    for file in (GOLDEN / folder).iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    return to


@pytest.mark.usefixtures("_package")
@pytest.mark.parametrize("folder", ["ecapa_tdnn", "eres2net"])  # the second gives a pair
def test_the_package_gives_the_embeddings_of_the_native_net(folder: str) -> None:
    batch = noise(3, 40)
    native = load_native(str(GOLDEN / folder), name="tiny", device="cpu", precision="float32")
    encoder = load(GOLDEN / folder)
    assert encoder.dim == native.dim
    assert np.array_equal(encoder.embed(batch), native.embed(batch))


@pytest.mark.usefixtures("_package")
def test_nothing_is_printed_while_it_loads(capfd: pytest.CaptureFixture[str]) -> None:
    load(GOLDEN / "ecapa_tdnn")
    assert capfd.readouterr().out == ""


@pytest.mark.usefixtures("_package")
def test_a_folder_named_like_a_hub_model_is_no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(GOLDEN)
    assert load("campplus").dim == 32


@pytest.mark.usefixtures("_package")
def test_features_go_to_the_device_of_the_net() -> None:
    # A tensor on the device `meta` has a shape and no values: the nearest to a GPU that a CPU has.
    encoder = load(GOLDEN / "ecapa_tdnn", device="meta")
    assert (encoder.device, encoder.dim) == ("meta", 24)
    with pytest.raises(NotImplementedError, match="meta"):
        encoder.embed(noise(1, 40))


@pytest.mark.usefixtures("_package")
def test_a_pickle_bomb_does_not_reach_the_package(tmp_path: Path) -> None:
    folder = copy("ecapa_tdnn", tmp_path / "model")
    write_bomb(folder / "avg_model.pt", tmp_path / "ran")
    with pytest.raises(ConfigError, match=r"avg_model\.pt: not loaded, and nothing in it was run"):
        load(folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.usefixtures("_package")
def test_weights_that_the_package_would_leave_at_random_are_refused(tmp_path: Path) -> None:
    folder = copy("ecapa_tdnn", tmp_path / "model")
    tensors = torch.load(folder / "avg_model.pt", weights_only=True)
    tensors["linear_.weight"] = tensors.pop("linear.weight")
    torch.save(tensors, folder / "avg_model.pt")
    with pytest.raises(ConfigError, match=r"1 missing: linear\.weight; 1 unexpected: linear_\.weight"):
        load(folder)


@pytest.mark.usefixtures("_package")
def test_an_older_package_is_asked_by_its_older_name(monkeypatch: pytest.MonkeyPatch) -> None:
    import wespeaker

    def download(language: str) -> None:
        raise ConnectionError(f"{language} would be downloaded")

    monkeypatch.setattr(wespeaker, "load_model_local", wespeaker.load_model, raising=False)
    monkeypatch.setattr(wespeaker, "load_model", download)
    assert load(GOLDEN / "ecapa_tdnn").dim == 24


@pytest.mark.usefixtures("_package")
def test_a_folder_that_lacks_a_file_does_not_reach_the_package(model: Path) -> None:
    (model / "config.yaml").unlink()
    with pytest.raises(ConfigError, match=r"missing: config\.yaml"):
        load(model)


def test_a_missing_package_is_answered_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wespeaker", None)
    told = r"wespeaker is not installed; `pip install -r envs/wespeaker\.txt` installs it; runtime native"
    with pytest.raises(ConfigError, match=told):
        load(GOLDEN / "ecapa_tdnn")
    assert Path("envs/wespeaker.txt").is_file()


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("import torchaudio_of_cuda", r"package torchaudio_of_cuda is not installed"),
        ("raise OSError('libcudart.so.13: cannot open shared object file')", r"cannot be imported \(libcudart\.so\.13"),
    ],
)
def test_a_package_that_cannot_be_imported_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, told: str
) -> None:
    (tmp_path / "wespeaker.py").write_text(body)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "wespeaker", raising=False)
    with pytest.raises(ConfigError, match=told):
        load(GOLDEN / "ecapa_tdnn")
