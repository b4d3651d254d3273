"""The GPU of a job that embeds: whether its model can use one, the lease, and what is then done with it."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from scripts.shared.errors import JobError, SampleError
from scripts.shared.job_gpu import hold_gpu, why_no_gpu
from scripts.shared.sample_task import MadeSample, SampleTask
from scripts.speaker.encoders.choice import load_encoder
from scripts.speaker.encoders.encoder import Encoder
from scripts.speaker.encoders.gpu_support import why_not_on_gpu
from scripts.speaker.gpu_embedding import embed_in_groups

log = logging.getLogger(__name__)


class GpuJob:
    """What `run_shard` needs to embed on a GPU: its `equip` and `combine`, for the workers' `start_sample`.

    Args:
        n_gpus: GPUs that the run gives this job, 0 or 1.
    """

    def __init__(self, *, n_gpus: int) -> None:
        self._n_gpus = n_gpus
        self._stop: Callable[[], bool] = lambda: False

    @contextmanager
    def equip(self, means: dict[str, Any], stop: Callable[[], bool]) -> Iterator[dict[str, Any]]:
        """Hold a GPU; see `hold_device`."""
        self._stop = stop
        with hold_device(means, stop, n_gpus=self._n_gpus) as held:
            yield held

    def combine(
        self, means: dict[str, Any], answers: Iterator[tuple[SampleTask, Any | SampleError]]
    ) -> Iterator[tuple[SampleTask, MadeSample | SampleError]]:
        """Embed what workers read; what they made themselves passes through. See `embed_in_groups`."""
        if means["device"] == "cpu":
            return answers
        return embed_in_groups(answers, lambda settings: _on_gpu(settings, means["model_dir"]), self._stop)


@contextmanager
def hold_device(means: dict[str, Any], stop: Callable[[], bool], *, n_gpus: int) -> Iterator[dict[str, Any]]:
    """Hold a GPU for the model; where there is none, or the model cannot use it, the job says so and takes the CPU.

    Args:
        means: of the plan: `runtime`, `gpus` and `jobs_per_gpu`.
        stop: whether the job is asked to end; then it waits for no GPU.
        n_gpus: GPUs that the run gives this job, 0 or 1.

    Yields:
        The means with `device`: "cuda" where workers only read and this process embeds; "cpu" where workers do both.

    Raises:
        ConfigError: `gpus` names a device that does not exist here.
        JobError: the locks of the GPUs cannot be used.
    """
    if why := why_no_gpu(means, n_gpus=n_gpus) or why_not_on_gpu(means["runtime"]):
        log.info("%s: embeds on the CPU", why)
        yield means | {"device": "cpu"}
        return
    with hold_gpu(means, stop, verb="embeds") as held:
        yield means | {"device": "cuda" if held else "cpu"}


def _on_gpu(settings: dict[str, Any], model_dir: str) -> Encoder:
    encoder = load_encoder(settings, model_dir, device="cuda")
    if encoder.device != "cuda":
        raise JobError(
            "this job has a GPU, but its model does not start there: does the driver fit the installed CUDA libraries? "
            "`gpus: []` in the configuration embeds on the CPU"
        )
    return encoder
