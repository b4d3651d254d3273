"""Which device a job that scores has, and which videos go to one worker."""

import logging
from pathlib import Path
from uuid import uuid4

import pytest

from scripts.fgclip.scoring.gpu_job import group, hold_device
from scripts.shared import job_gpu
from scripts.shared.sample_task import SampleTask
from tests.fake_gpus import fake_gpus

MEANS = {"model": "/models/m", "gpus": "auto", "jobs_per_gpu": 1}
TASKS = [SampleTask(str(n), {}, {}, {}, Path("v.mp4"), Path()) for n in range(20)]


def sizes(device: str, decoders: int) -> list[int]:
    groups = group({"device": device, "decoders": decoders}, TASKS)
    assert [task for one in groups for task in one] == TASKS
    return [len(one) for one in groups]


def test_on_the_cpu_each_worker_takes_one_video() -> None:
    assert sizes("cpu", 1) == [1] * 20


def test_on_a_gpu_the_one_worker_takes_many_for_its_decoders() -> None:
    assert sizes("cuda", 2) == [16, 4]


def test_a_gpu_has_one_worker_that_decodes_as_many_videos_as_the_job_has_cores(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(job_gpu, "installed_version", lambda _: "2.13.0")
    with (
        fake_gpus(monkeypatch, tmp_path / "locks", f"GPU-{uuid4()}"),
        hold_device(MEANS, lambda: False, n_gpus=1, decoders=6) as held,
    ):
        assert held == MEANS | {"device": "cuda", "workers": 1, "decoders": 6}
    assert caplog.messages[-1] == "scores videos on GPU 0 (Fake 1000)"
    with hold_device(MEANS, lambda: False, n_gpus=0, decoders=6) as held:
        assert held == MEANS | {"device": "cpu", "decoders": 1}
