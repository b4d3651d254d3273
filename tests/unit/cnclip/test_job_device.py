import logging

import pytest

from scripts.cnclip.job_device import job_device


def test_a_job_without_a_gpu_says_so_and_takes_the_cpu(caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.INFO, "scripts"),
        job_device(n_gpus=0, gpus="auto", jobs_per_gpu=1) as device,
    ):
        assert device == "cpu"
    assert "the run gives this job no GPU: encodes on the CPU" in caplog.text
