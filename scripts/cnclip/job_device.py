"""Where a job's model runs: on a GPU that no other job has, or on the CPU."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from scripts.shared.job_gpu import hold_gpu, why_no_gpu, why_no_gpu_for_torch

log = logging.getLogger(__name__)


@contextmanager
def job_device(*, n_gpus: int, gpus: Literal["auto"] | Sequence[int], jobs_per_gpu: int) -> Iterator[str]:
    """Hold a GPU while the model works. Enter it before torch is imported.

    Args:
        n_gpus: GPUs that the run gives this job, 0 or 1.
        gpus: of the configuration.
        jobs_per_gpu: of the configuration.

    Yields:
        "cuda" or "cpu".

    Raises:
        ConfigError: `gpus` names a device that does not exist here.
        JobError: the locks of the GPUs cannot be used.
    """
    means = {"gpus": gpus, "jobs_per_gpu": jobs_per_gpu}
    if why := why_no_gpu(means, n_gpus=n_gpus) or why_no_gpu_for_torch():
        log.info("%s: encodes on the CPU", why)
        yield "cpu"
        return
    with hold_gpu(means, lambda: False, verb="encodes"):
        yield "cuda"
