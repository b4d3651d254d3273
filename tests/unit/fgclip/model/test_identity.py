"""Which CLIP a training begins with is told without torch; any change of it is seen."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from scripts.fgclip.model.identity import RANDOM, clip_identity
from scripts.shared.errors import ConfigError
from tests.unit.fgclip.model.networks import tiny_folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_folder(tmp_path_factory.mktemp("clip") / "made")


def test_planning_imports_no_torch() -> None:
    code = "import sys, scripts.fgclip.model.identity; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[4])


def test_copies_are_the_same_and_any_change_is_another(made: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(made, tmp_path / "copy"))
    seen = {clip_identity(str(made))}
    assert clip_identity(str(copy)) in seen
    for name, old, new in (("config.json", "quick_gelu", "gelu"), ("tokenizer.json", "<|unknown|>", "<|rare|>")):
        path = copy / name
        path.write_text(path.read_text().replace(old, new))
        found = clip_identity(str(copy))
        assert found not in seen
        seen.add(found)
    state = load_file(copy / "model.safetensors")
    state["logit_scale"] += 1
    save_file(state, copy / "model.safetensors")
    assert clip_identity(str(copy)) not in seen


def test_what_is_no_part_of_the_network_does_not_count(made: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(made, tmp_path / "copy"))
    (copy / "README.md").write_text("a CLIP")
    assert clip_identity(str(copy)) == clip_identity(str(made))


def test_a_single_file_is_told_by_its_contents(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(3)}, tmp_path / "a.pt")
    torch.save({"a": torch.zeros(3)}, tmp_path / "b.pt")
    assert clip_identity(str(tmp_path / "a.pt")) != clip_identity(str(tmp_path / "b.pt"))


@pytest.mark.parametrize("name", RANDOM)
def test_random_networks_are_their_names(name: str) -> None:
    assert clip_identity(name) == name


def test_a_file_that_was_cut_off_is_refused_while_planning(made: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(made, tmp_path / "copy"))
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-50])
    with pytest.raises(ConfigError, match=r"clip: .* has [\d,]+ bytes of [\d,]+, so it was not copied whole"):
        clip_identity(str(copy))
