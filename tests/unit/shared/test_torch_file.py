import os
from pathlib import Path

import pytest
import torch

from scripts.shared.errors import ConfigError
from scripts.shared.torch_file import load_named, load_plain


def refused(path: Path, *words: str, mmap: bool = False) -> None:
    with pytest.raises(ConfigError) as caught:
        load_plain(path, mmap=mmap)
    for word in (str(path), "nothing in it was run", *words):
        assert word in str(caught.value)


@pytest.mark.parametrize("mmap", [False, True])
def test_tensors_and_plain_values_are_loaded(tmp_path: Path, mmap: bool) -> None:
    torch.save({"weights": {"w": torch.arange(5)}, "epoch": 3, "note": "last"}, tmp_path / "model.pt")
    found = load_plain(tmp_path / "model.pt", mmap=mmap)
    assert found["weights"]["w"].tolist() == [0, 1, 2, 3, 4]
    assert (found["epoch"], found["note"]) == (3, "last")


@pytest.mark.parametrize("mmap", [False, True])
def test_a_file_that_wants_to_run_code_is_refused_with_what_it_asks_for(tmp_path: Path, mmap: bool) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "trapped"),)

    torch.save(Trap(), tmp_path / "model.pt")
    refused(tmp_path / "model.pt", "it asks for posix.mkdir", mmap=mmap)
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize("left", [0, 10, 500, 5000])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, left: int) -> None:
    torch.save({"w": torch.ones(5000)}, tmp_path / "model.pt")
    (tmp_path / "model.pt").write_bytes((tmp_path / "model.pt").read_bytes()[:left])
    refused(tmp_path / "model.pt", "damaged")


def test_the_format_of_before_pytorch_1_6_cannot_be_mapped(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(3)}, tmp_path / "model.pt", _use_new_zipfile_serialization=False)
    assert load_plain(tmp_path / "model.pt")["w"].tolist() == [1, 1, 1]
    refused(tmp_path / "model.pt", mmap=True)


def test_tensors_come_by_name_from_saved_values_and_from_a_program_alike(tmp_path: Path) -> None:
    net = torch.nn.Linear(2, 3)
    torch.save({"state_dict": net.state_dict() | {"note": "last"}, "epoch": 3}, tmp_path / "saved.pt")
    torch.jit.save(torch.jit.script(net), tmp_path / "program.pt")  # type: ignore[no-untyped-call]
    for name in ("saved.pt", "program.pt"):
        found = load_named(tmp_path / name)
        assert list(found) == ["weight", "bias"]
        assert torch.equal(found["weight"], net.weight)


def test_a_file_without_tensors_by_name_is_refused(tmp_path: Path) -> None:
    torch.save([torch.ones(2)], tmp_path / "list.pt")
    with pytest.raises(ConfigError, match=r"list\.pt: holds no tensors by name"):
        load_named(tmp_path / "list.pt")
