"""The GPU of a job that makes poses: the lease, and what is then done with it."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from scripts.shared.job_gpu import hold_gpu, why_no_gpu, why_no_gpu_for_torch

log = logging.getLogger(__name__)


@contextmanager
def hold_device(means: dict[str, Any], stop: Callable[[], bool], *, n_gpus: int) -> Iterator[dict[str, Any]]:
    """Hold a GPU for the model; where there is none, the job says so and takes the CPU.

    Args:
        means: of the plan: `gpus` and `jobs_per_gpu`.
        stop: whether the job is asked to end; then it waits for no GPU.
        n_gpus: GPUs that the run gives this job, 0 or 1.

    Yields:
        The means with `device`: "cuda", and `workers` 1, which fills the GPU alone; or "cpu".

    Raises:
        ConfigError: `gpus` names a device that does not exist here.
        JobError: the locks of the GPUs cannot be used.
    """
    if why := why_no_gpu(means, n_gpus=n_gpus) or why_no_gpu_for_torch():
        log.info("%s: makes poses on the CPU", why)
        yield means | {"device": "cpu"}
        return
    with hold_gpu(means, stop, verb="makes poses") as held:
        yield means | ({"device": "cuda", "workers": 1} if held else {"device": "cpu"})
