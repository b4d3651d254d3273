"""Making a training repeatable to the bit, on one kind of device and with one set of libraries. Imports torch."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from scripts.shared.selection import keyed_hash


def make_deterministic(seed: int) -> None:
    """Let this process compute with one thread and the algorithms that repeat; to be called before CUDA is used.

    An operation that has no repeatable algorithm raises a RuntimeError that names it: write it as another one.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS does not repeat
    torch.set_num_threads(1)  # sums over more threads differ in the last bits
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False  # it chooses by the clock
    torch.manual_seed(seed)


def keyed_seed(seed: int, *key: int | str) -> int:
    """A seed for one purpose, the same whatever was drawn before.

    Args:
        seed: of the run.
        key: what is drawn: `("dropout", step, rank, chunk)`.

    Returns:
        0 to 2^64 - 1.
    """
    return keyed_hash(seed, "/".join(map(str, key)))


def keyed_generator(seed: int, *key: int | str) -> torch.Generator:
    """A generator on the CPU for one purpose; see `keyed_seed`."""
    return torch.Generator().manual_seed(keyed_seed(seed, *key))


@contextmanager
def seeded_draws(seed: int, *key: int | str, device: torch.device) -> Iterator[None]:
    """Inside it what a model draws (dropout) depends on the seed and the key alone; after it all is as before.

    So a forward pass that is made twice with one key drops the same, and a training that goes on draws as one that
    was never ended.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(keyed_seed(seed, *key))
        yield
