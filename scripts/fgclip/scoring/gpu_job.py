"""The GPU of a job that scores videos, and which videos one worker then scores. Light: loads no torch."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from scripts.shared.job_gpu import hold_torch_device
from scripts.shared.sample_task import SampleTask

_VIDEOS_AT_ONCE = 8  # a decoder, that a GPU's one worker gets: enough that its decoders seldom wait for the last one


@contextmanager
def hold_device(
    means: dict[str, Any], stop: Callable[[], bool], *, n_gpus: int, decoders: int
) -> Iterator[dict[str, Any]]:
    """Hold a GPU for the model; where there is none, the job says so and takes the CPU.

    Args:
        means: of the plan: `gpus` and `jobs_per_gpu`.
        stop: whether the job is asked to end; then it waits for no GPU.
        n_gpus: GPUs that the run gives this job, 0 or 1.
        decoders: videos that a worker on the GPU decodes at once; on the CPU each worker has one.

    Yields:
        The means with `device`, "cuda" or "cpu", and `decoders`; on a GPU `workers` is 1, which fills it alone.

    Raises:
        ConfigError: `gpus` names a device that does not exist here.
        JobError: the locks of the GPUs cannot be used.
    """
    with hold_torch_device(means, stop, n_gpus=n_gpus, verb="scores videos") as held:
        yield held | {"decoders": decoders if held["device"] == "cuda" else 1}


def group(means: Mapping[str, Any], tasks: Sequence[SampleTask]) -> list[list[SampleTask]]:
    """Put videos together that one worker scores: on the CPU each alone, on a GPU some for each decoder.

    Args:
        means: of the job, as `hold_device` gives them.
        tasks: of one shard.
    """
    size = 1 if means["device"] == "cpu" else _VIDEOS_AT_ONCE * means["decoders"]
    return [list(tasks[first : first + size]) for first in range(0, len(tasks), size)]
