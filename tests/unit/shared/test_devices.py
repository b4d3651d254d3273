from pathlib import Path

import pytest

from scripts.shared.devices import visible_gpus


@pytest.fixture(autouse=True)
def four_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose driver answers for four GPUs."""
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\nprintf '0\\n1\\n2\\n3\\n'\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return smi


def test_auto_means_all_and_a_list_means_those() -> None:
    assert visible_gpus("auto") == ["0", "1", "2", "3"]
    assert visible_gpus([0, 2]) == ["0", "2"]
    assert visible_gpus([]) == []
    assert visible_gpus([7]) == []


def test_devices_already_chosen_narrow_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, 3")
    assert visible_gpus("auto") == ["2", "3"]
    assert visible_gpus([0, 3]) == ["3"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_gpus("auto") == []


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 9\n", None])
def test_a_driver_that_does_not_answer_means_no_gpu(four_gpus: Path, text: str | None) -> None:
    if text is None:
        four_gpus.unlink()
    else:
        four_gpus.write_text(text)
    assert visible_gpus("auto") == []
