"""The GPU of a job: whether it can have one, and the lease while samples are made."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from scripts.shared.devices import lease, visible
from scripts.shared.packages import installed_version

log = logging.getLogger(__name__)


def why_no_gpu(means: Mapping[str, Any], *, n_gpus: int) -> str:
    """Why a job goes on without a GPU; empty where it can have one.

    Args:
        means: of its plan; `gpus` as in the configuration.
        n_gpus: GPUs that the run gives this job, 0 or 1.

    Raises:
        ConfigError: `gpus` names a device that does not exist here.
    """
    if not n_gpus:
        return "the run gives this job no GPU"
    return "" if visible(means["gpus"]) else "no GPU answers"


def why_no_gpu_for_torch() -> str:
    """Why the installed torch cannot use a GPU; empty where it can, or there is none."""
    torch = installed_version("torch")
    return f"this torch is the one for CPUs ({torch})" if torch.endswith("+cpu") else ""


@contextmanager
def hold_gpu(means: Mapping[str, Any], stop: Callable[[], bool], *, verb: str) -> Iterator[bool]:
    """Hold a slot on one GPU, and say on which.

    Args:
        means: of the job's plan; `gpus` and `jobs_per_gpu` as in the configuration.
        stop: whether the job is asked to end; then it waits for no GPU.
        verb: what the job does there, for the log.

    Yields:
        Whether it holds one; not so only where the job is to end.

    Raises:
        ConfigError: `gpus` names a device that does not exist here.
        JobError: the locks of the GPUs cannot be used.
    """
    with lease(1, means["jobs_per_gpu"], chosen=means["gpus"], wait=lambda: not stop()) as devices:
        for device in devices:
            log.info("%s on GPU %d (%s)", verb, device.index, device.name)
        yield bool(devices)


@contextmanager
def hold_torch_device(
    means: dict[str, Any], stop: Callable[[], bool], *, n_gpus: int, verb: str
) -> Iterator[dict[str, Any]]:
    """Hold a GPU for a model of torch; where there is none, the job says so and takes the CPU.

    Args:
        means: of the plan: `gpus` and `jobs_per_gpu`.
        stop: whether the job is asked to end; then it waits for no GPU.
        n_gpus: GPUs that the run gives this job, 0 or 1.
        verb: what the job does there, for the log.

    Yields:
        The means with `device`: "cuda", and `workers` 1, which fills the GPU alone; or "cpu".

    Raises:
        ConfigError: `gpus` names a device that does not exist here.
        JobError: the locks of the GPUs cannot be used.
    """
    if why := why_no_gpu(means, n_gpus=n_gpus) or why_no_gpu_for_torch():
        log.info("%s: %s on the CPU", why, verb)
        yield means | {"device": "cpu"}
        return
    with hold_gpu(means, stop, verb=verb) as held:
        yield means | ({"device": "cuda", "workers": 1} if held else {"device": "cpu"})
