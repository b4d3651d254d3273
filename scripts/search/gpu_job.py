"""The GPU of a job that makes vectors. Light: loads no torch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from scripts.search.encoders.choice import ONNX
from scripts.shared.job_gpu import hold_torch_device


@contextmanager
def hold_device(
    means: dict[str, Any], stop: Callable[[], bool], *, n_gpus: int, decoders: int
) -> Iterator[dict[str, Any]]:
    """Hold a GPU for the encoder; where there is none, the job says so and takes the CPU.

    Args:
        means: of the plan: `gpus`, `jobs_per_gpu` and `encoder`; that of ONNX runs on the CPU, for which its small
            forms are made.
        stop: whether the job is asked to end; then it waits for no GPU.
        n_gpus: GPUs that the run gives this job, 0 or 1.
        decoders: pictures that a worker on the GPU reads at once; on the CPU each worker reads one.

    Yields:
        The means with `device`, "cuda" or "cpu", and `decoders`; on a GPU `workers` is 1, which fills it alone.

    Raises:
        ConfigError: `gpus` names a device that does not exist here.
        JobError: the locks of the GPUs cannot be used.
    """
    wanted = 0 if means["encoder"] == ONNX else n_gpus
    with hold_torch_device(means, stop, n_gpus=wanted, verb="encodes") as held:
        yield held | {"decoders": decoders if held["device"] == "cuda" else 1}
