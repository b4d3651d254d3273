import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from scripts.pose.model_files.header import read_header
from scripts.shared.errors import ConfigError
from tests.pose_models import SMALL_HEADS, write_small_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    write_small_model(path)
    return path


def refused(path: Path, *words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_header(path)
    for word in (str(path), *words):
        assert word in str(caught.value)


def test_the_header_says_what_the_weights_do_not(model: Path) -> None:
    header = read_header(model)
    assert (header.kind, header.skeleton, header.heads, header.text_encoder) == ("sit", "t2m", SMALL_HEADS, "clip")
    assert header.lengths_identity == ""


@pytest.mark.parametrize("left", [0, 5, 8, 300])
def test_a_file_cut_off_in_its_header_is_refused(model: Path, left: int) -> None:
    model.write_bytes(model.read_bytes()[:left])
    refused(model, "no safetensors file, or one cut off at its beginning")


@pytest.mark.parametrize("left", [-1, -100_000])
def test_a_file_cut_off_in_its_tensors_is_refused_with_both_sizes(model: Path, left: int) -> None:
    whole = model.read_bytes()
    model.write_bytes(whole[:left])
    refused(model, f"has {len(whole) + left:,} bytes of {len(whole):,}")


def test_a_safetensors_file_of_something_else_is_refused(tmp_path: Path) -> None:
    save_file({"ae.weight": torch.ones(3)}, tmp_path / "other.safetensors")
    refused(tmp_path / "other.safetensors", "does not say what it is", "official checkpoints")
    save_file({"ae.weight": torch.ones(3)}, tmp_path / "later.safetensors", {"format": "polymill pose model 9"})
    refused(tmp_path / "later.safetensors", "it says 'polymill pose model 9'")


def test_a_checkpoint_renamed_to_safetensors_is_refused(tmp_path: Path) -> None:
    torch.save({"ae": torch.ones(3)}, tmp_path / "latest.safetensors")
    refused(tmp_path / "latest.safetensors", "no safetensors file")


@pytest.mark.parametrize("table", ["[]", "3", '{"a": {}}', '{"a": {"data_offsets": [0], "shape": []}}', "{" * 9])
def test_a_header_that_is_no_table_of_tensors_is_refused(tmp_path: Path, table: str) -> None:
    path = tmp_path / "odd.safetensors"
    path.write_bytes(len(table).to_bytes(8, "little") + table.encode())
    refused(path, "no safetensors file")


@pytest.mark.parametrize("field", ["kind", "heads", "identity"])
def test_a_header_without_one_of_its_fields_is_refused(tmp_path: Path, field: str) -> None:
    says = {"format": "polymill pose model 1", "kind": "sit", "skeleton": "t2m", "identity": "0" * 32, "heads": "4"}
    says |= {"lengths_identity": "", "text_encoder": "clip"}
    del says[field]
    text = json.dumps({"__metadata__": says}).encode()
    (tmp_path / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
    refused(tmp_path / "model.safetensors", f"'{field}'")
