"""Weights are read from either file of a folder, run nothing, and go to a model whole or not at all."""

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from scripts.shared.errors import ConfigError
from scripts.shared.weight_files import check_finite, give_weights, read_weights, weights_file

STATE = {"weight": torch.arange(6.0).view(2, 3), "bias": torch.ones(2)}


def empty() -> nn.Linear:
    with torch.device("meta"):
        return nn.Linear(3, 2)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_either_file_of_a_folder_is_read(tmp_path: Path, name: str) -> None:
    save_file(STATE, tmp_path / name) if name.endswith("tensors") else torch.save(STATE, tmp_path / name)
    found = read_weights(weights_file(tmp_path))
    assert found.keys() == STATE.keys()
    assert all(torch.equal(found[key], value) for key, value in STATE.items())


def test_safetensors_are_taken_before_the_older_file(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "model.safetensors")
    torch.save({}, tmp_path / "pytorch_model.bin")
    assert weights_file(tmp_path).name == "model.safetensors"


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has neither model.safetensors nor pytorch_model.bin"):
        weights_file(tmp_path)


def test_damaged_files_and_such_that_hold_more_than_tensors_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"\x05" + bytes(7) + b"{}{}{")
    with pytest.raises(ConfigError, match=r"model.safetensors: is damaged"):
        read_weights(tmp_path / "model.safetensors")
    torch.save(STATE | {"epoch": 3}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"holds more than tensors by key"):
        read_weights(tmp_path / "pytorch_model.bin")


def test_a_model_takes_its_weights_in_single_precision() -> None:
    model = empty()
    give_weights(model, {key: value.half() for key, value in STATE.items()}, where="here")
    assert torch.equal(model.weight, STATE["weight"])
    assert model.weight.dtype == torch.float32
    assert model.weight.requires_grad


def test_weights_from_odd_places_in_memory_are_laid_where_pytorch_lays_them() -> None:
    odd = torch.arange(7.0)[1:].view(2, 3)
    model = empty()
    give_weights(model, STATE | {"weight": odd}, where="here")
    assert odd.data_ptr() % 64
    assert model.weight.data_ptr() % 64 == 0
    assert torch.equal(model.weight, odd)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weight": None}, "key 'weight' is missing"),
        ({"more": torch.ones(1)}, "key 'more' is unexpected"),
        ({"bias": torch.ones(3)}, r"bias has the shape \(3,\); expected was \(2,\)"),
        ({"bias": torch.tensor([1.0, math.nan])}, r"1 of 2 values of bias are NaN or infinite, the first at \[1\]"),
    ],
)
def test_weights_of_another_model_are_refused_and_none_is_taken(changes: dict[str, Tensor | None], words: str) -> None:
    model = empty()
    state = {key: value for key, value in {**STATE, **changes}.items() if value is not None}
    with pytest.raises(ConfigError, match=f"here: {words}"):
        give_weights(model, state, where="here")
    assert model.weight.is_meta


def test_finite_weights_pass() -> None:
    check_finite(STATE, "here")
