"""The processes of one training, which compute one thing together; one alone is the same with nothing to exchange.

Imports torch.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from scripts.shared.training.launch import RENDEZVOUS

_TIMEOUT = timedelta(hours=2)  # the first one may validate at length; a process that dies is seen by `launch`
_BUCKET_BYTES = 64 << 20

Value = TypeVar("Value")


class Processes:
    """This process among those of its training.

    Attributes:
        rank: its number, from 0 on.
        n: how many there are.
        device: what it computes on.
    """

    def __init__(self, rank: int, n: int, device: torch.device) -> None:
        self.rank, self.n, self.device = rank, n, device

    @classmethod
    def single(cls, device: torch.device | str = "cpu") -> "Processes":
        """One process alone."""
        return cls(0, 1, torch.device(device))

    @property
    def first(self) -> bool:
        """Whether it is the one that writes."""
        return self.rank == 0

    def share(self, value: Value) -> Value:
        """The value of the first process, in all. A plain value: it is pickled."""
        if self.n == 1:
            return value
        held: list[Any] = [value]
        dist.broadcast_object_list(held, src=0)
        shared: Value = held[0]
        return shared

    def any(self, flag: bool) -> bool:
        """Whether a flag is set in any process: so that all end after the same step."""
        if self.n == 1:
            return flag
        held = torch.tensor([int(flag)])  # on the CPU: a GPU is not waited for
        dist.all_reduce(held, dist.ReduceOp.MAX)
        return bool(held.item())

    def gather(self, value: Value) -> list[Value]:
        """The values of all processes, by rank. Plain values: they are pickled."""
        if self.n == 1:
            return [value]
        held: list[Any] = [None] * self.n
        dist.all_gather_object(held, value)
        return held

    def gather_rows(self, rows: torch.Tensor) -> torch.Tensor:
        """The rows of all processes, in the order of ranks, without gradients.

        Args:
            rows: (n_rows, ...); the same shape and dtype in every process.

        Returns:
            (n * n_rows, ...) on the same device.
        """
        rows = rows.detach()
        if self.n == 1:
            return rows
        parts = [torch.empty_like(rows) for _ in range(self.n)]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    def sum_(self, tensors: Iterable[torch.Tensor]) -> None:
        """Replace each tensor by its sum over the processes; equal bits in all.

        Args:
            tensors: in the same order, with the same shapes and dtypes, in every process.
        """
        if self.n == 1:
            return
        for bucket in _buckets(tensors):
            flat = torch.cat([tensor.detach().reshape(-1) for tensor in bucket])
            dist.all_reduce(flat)
            start = 0
            for tensor in bucket:
                tensor.detach().copy_(flat[start : start + tensor.numel()].view_as(tensor))
                start += tensor.numel()

    def barrier(self) -> None:
        """Wait until all processes are here."""
        if self.n > 1:
            self.any(False)


def _buckets(tensors: Iterable[torch.Tensor]) -> Iterator[Sequence[torch.Tensor]]:
    """Yield neighbours of one dtype that go together in one message: many small messages take longer."""
    bucket: list[torch.Tensor] = []
    n_bytes = 0
    for tensor in tensors:
        if bucket and (tensor.dtype != bucket[0].dtype or n_bytes + tensor.nbytes > _BUCKET_BYTES):
            yield bucket
            bucket, n_bytes = [], 0
        bucket.append(tensor)
        n_bytes += tensor.nbytes
    if bucket:
        yield bucket


@contextmanager
def from_environment(device: Callable[[int], torch.device] | None = None) -> Iterator[Processes]:
    """The processes as `launch`, torchrun or accelerate started them, from the variables that they set.

    Args:
        device: from the number of the process on its machine; without it its own GPU where there is one.

    Yields:
        This process among them; one alone where nothing is set.
    """
    n = int(os.environ.get("WORLD_SIZE", "1"))
    rank, local = int(os.environ.get("RANK", "0")), int(os.environ.get("LOCAL_RANK", "0"))
    place = (device or _device)(local)
    if place.type == "cuda":
        torch.cuda.set_device(place)
    if n == 1:
        yield Processes(0, 1, place)
        return
    # Objects and flags go by gloo, and no GPU waits for them.
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if place.type == "cuda" else "gloo",
        init_method=os.environ.get(RENDEZVOUS, "env://"),
        rank=rank,
        world_size=n,
        timeout=_TIMEOUT,
    )
    yield Processes(rank, n, place)
    dist.destroy_process_group()  # not after an error: it could wait for processes that are gone


def device_name(device: torch.device) -> str:
    """What a device is called in the record of a run: the model of a GPU, or `CPU`."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def _device(local_rank: int) -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", local_rank % torch.cuda.device_count())
