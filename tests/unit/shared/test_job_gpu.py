"""The GPU of a job that runs torch: taken where there is one that torch can use, else the job says why not."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from scripts.shared import devices, job_gpu
from scripts.shared.job_gpu import hold_torch_device
from tests.fake_gpus import fake_gpus

UUID = f"GPU-{uuid4()}"
MEANS = {"model": "/models/m.safetensors", "batch_size": 0, "gpus": "auto", "jobs_per_gpu": 1}


@pytest.fixture(autouse=True)
def one_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A machine with one GPU, as far as its driver's library and torch say."""
    monkeypatch.setattr(job_gpu, "installed_version", lambda _: "2.13.0")
    with fake_gpus(monkeypatch, tmp_path / "locks", UUID):
        yield


def equipped(caplog: pytest.LogCaptureFixture, *, n_gpus: int = 1) -> tuple[dict[str, Any], str]:
    """What a job adds to its means, and what it says of it."""
    caplog.set_level(logging.INFO)
    with hold_torch_device(MEANS, lambda: False, n_gpus=n_gpus, verb="makes poses") as held:
        assert os.environ.get("CUDA_VISIBLE_DEVICES") == (UUID if held["device"] == "cuda" else None)
        assert {key: held[key] for key in MEANS} == MEANS
        return {key: held[key] for key in held if key not in MEANS}, caplog.messages[-1]


def test_a_job_holds_the_gpu_that_it_is_given_and_one_worker_uses_it(caplog: pytest.LogCaptureFixture) -> None:
    assert equipped(caplog) == ({"device": "cuda", "workers": 1}, "makes poses on GPU 0 (Fake 1000)")
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_a_job_without_a_gpu_takes_the_cpu_and_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert equipped(caplog, n_gpus=0) == ({"device": "cpu"}, "the run gives this job no GPU: makes poses on the CPU")
    monkeypatch.setattr(job_gpu, "installed_version", lambda _: "2.13.0+cpu")
    expected = "this torch is the one for CPUs (2.13.0+cpu): makes poses on the CPU"
    assert equipped(caplog) == ({"device": "cpu"}, expected)


def test_a_job_that_is_to_end_waits_for_no_gpu() -> None:
    with devices.lease(1), hold_torch_device(MEANS, lambda: True, n_gpus=1, verb="makes poses") as held:
        assert held["device"] == "cpu"
        assert "workers" not in held
