"""The GPU of a job: taken where there is one and the model can use it, else the CPU embeds and the job says why."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from scripts.shared import devices, job_gpu
from scripts.shared.errors import JobError
from scripts.shared.sample_task import SampleTask
from scripts.speaker import gpu_embedding, gpu_job
from scripts.speaker.encoders import gpu_support
from scripts.speaker.encoders.gpu_support import why_not_on_gpu
from scripts.speaker.gpu_embedding import start_sample
from scripts.speaker.gpu_job import GpuJob, hold_device
from scripts.speaker.sample import ReadAudio
from tests.fake_gpus import fake_gpus

UUID = f"GPU-{uuid4()}"
MEANS = {"model_dir": "/models/m", "runtime": "native", "gpus": "auto", "jobs_per_gpu": 1}


def install(monkeypatch: pytest.MonkeyPatch, versions: dict[str, str]) -> None:
    """Let these be the packages that are installed."""
    for module in (gpu_support, job_gpu):
        monkeypatch.setattr(module, "installed_version", lambda package: versions.get(package, ""))


@pytest.fixture(autouse=True)
def one_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A machine with one GPU, as far as its driver's library and torch say."""
    install(monkeypatch, {"torch": "2.13.0"})
    with fake_gpus(monkeypatch, tmp_path / "locks", UUID):
        yield


def device(caplog: pytest.LogCaptureFixture, means: dict[str, Any], *, n_gpus: int = 1) -> tuple[str, str]:
    """The device of a job, and what it says of it."""
    caplog.set_level(logging.INFO)
    with hold_device(means, lambda: False, n_gpus=n_gpus) as held:
        assert {key: held[key] for key in means} == means
        assert os.environ.get("CUDA_VISIBLE_DEVICES") == (UUID if held["device"] == "cuda" else None)
        return held["device"], caplog.messages[-1]


def test_a_job_embeds_on_the_gpu_that_it_is_given(caplog: pytest.LogCaptureFixture) -> None:
    assert device(caplog, MEANS) == ("cuda", "embeds on GPU 0 (Fake 1000)")
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


@pytest.mark.parametrize(
    ("gpus", "n_gpus", "why"),
    [(UUID, 0, "the run gives this job no GPU"), ("", 1, "no GPU answers")],
    ids=["none given", "none there"],  # the UUID differs in each process that collects the tests
)
def test_a_job_without_a_gpu_embeds_on_the_cpu_and_says_why(
    gpus: str, n_gpus: int, why: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("POLYMILL_FAKE_GPUS", gpus)
    assert device(caplog, MEANS, n_gpus=n_gpus) == ("cpu", f"{why}: embeds on the CPU")


def test_a_runtime_that_cannot_use_a_gpu_takes_none(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    install(monkeypatch, {"torch": "2.13.0+cpu", "onnxruntime": "1.31.1"})
    for runtime, word in {"onnx": "onnxruntime-gpu", "native": "this torch", "dvector": "one recording"}.items():
        where, said = device(caplog, MEANS | {"runtime": runtime})
        assert where == "cpu"
        assert word in said
    install(monkeypatch, {"torch": "2.13.0", "onnxruntime-gpu": "1.31.1"})
    assert [why_not_on_gpu(runtime) for runtime in ("onnx", "native", "wespeaker")] == [""] * 3


def test_a_job_that_is_to_end_waits_for_no_gpu() -> None:
    with devices.lease(1), hold_device(MEANS, lambda: True, n_gpus=1) as held:
        assert held["device"] == "cpu"


def task(tmp_path: Path, device: str) -> SampleTask:
    return SampleTask("a", {}, {"batch_seconds": 8.0}, {"device": device}, tmp_path / "a.wav", tmp_path / "a")


def test_workers_read_for_a_gpu_and_make_samples_without_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_embedding, "read_features", lambda _: "read")
    monkeypatch.setattr(gpu_embedding, "make_sample", lambda _: "made")
    assert [start_sample(task(tmp_path, device)) for device in ("cuda", "cpu")] == ["read", "made"]


def test_what_workers_made_passes_through(tmp_path: Path) -> None:
    answers = iter([(task(tmp_path, "cpu"), "made")])
    assert list(GpuJob(n_gpus=1).combine({"device": "cpu"}, answers)) == [(task(tmp_path, "cpu"), "made")]  # type: ignore[comparison-overlap]


def test_a_model_that_does_not_start_on_the_gpu_ends_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class OnCpu:
        device = "cpu"

    asked = []
    monkeypatch.setattr(gpu_job, "load_encoder", lambda *given, device: asked.append((*given, device)) or OnCpu())
    read = ReadAudio((1, 2), (), 1.0, 16000, 1, "soundfile", "mean")  # type: ignore[arg-type]
    job = GpuJob(n_gpus=1)
    with job.equip(MEANS, lambda: False) as held, pytest.raises(JobError, match=r"does not start there.*gpus: \[\]"):
        list(job.combine(held, iter([(task(tmp_path, "cuda"), read)] * 200_000)))
    assert asked == [({"batch_seconds": 8.0}, "/models/m", "cuda")]


def test_a_job_that_is_asked_to_end_embeds_no_more(tmp_path: Path) -> None:
    read = ReadAudio((1, 2), (), 1.0, 16000, 1, "soundfile", "mean")  # type: ignore[arg-type]
    job = GpuJob(n_gpus=1)
    with job.equip(MEANS, lambda: True) as held:
        assert list(job.combine(held | {"device": "cuda"}, iter([(task(tmp_path, "cuda"), read)]))) == []
