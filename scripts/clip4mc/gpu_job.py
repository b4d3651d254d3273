"""The GPU of a job: what its plan says of it, and what its samples are made with."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from scripts.shared.job_gpu import hold_gpu, why_no_gpu

log = logging.getLogger(__name__)


def gpu_means(config: Mapping[str, Any], dataset: Mapping[str, Any]) -> dict[str, Any]:
    """What a job needs to know to decode on a GPU."""
    return {"decoder": "nvdec", "gpus": config["gpus"], "jobs_per_gpu": dataset["jobs_per_gpu"]}


@contextmanager
def hold_decoder(means: dict[str, Any], stop: Callable[[], bool], *, n_gpus: int) -> Iterator[dict[str, Any]]:
    """Hold what a plan's decoder needs; where there is no GPU, the CPU decodes, and the job says so.

    Args:
        means: of the plan.
        stop: whether the job is asked to end; then it waits for no GPU.
        n_gpus: GPUs that the run gives this job, 0 or 1.

    Yields:
        The means to make samples with; the plan's where the job is to end.

    Raises:
        ConfigError: `gpus` names a device that does not exist here.
        JobError: the locks of the GPUs cannot be used.
    """
    if means.get("decoder") != "nvdec":
        yield means
        return
    if why := why_no_gpu(means, n_gpus=n_gpus):
        log.info("%s: decodes on the CPU", why)
        yield means | {"decoder": "cpu", "why_cpu": why}
        return
    with hold_gpu(means, stop, verb="decodes"):
        yield means
