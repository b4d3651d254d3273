"""Replaying a computation as a CUDA graph: its some thousand small kernels are launched in one go."""

from collections.abc import Callable

import torch
from torch import Tensor

Compute = Callable[..., Tensor]
_WARM_UPS = 2  # libraries choose their kernels and take their memory in the first calls, which no graph may hold


class Graphed:
    """A function of tensors that runs as a CUDA graph where its first argument lies on a GPU, and as it is elsewhere.

    A graph serves inputs of the shapes that it was recorded with; others get one of their own.

    Args:
        compute: from tensors or None to one tensor; its kernels must depend on their shapes alone, nothing may be
            copied between host and device, and what else it reads must stay where it is.
    """

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._recorded: dict[tuple[tuple[int, ...] | None, ...], _Recording] = {}

    def __call__(self, *inputs: Tensor | None) -> Tensor:
        """What the function gives for these inputs."""
        if inputs[0] is None or inputs[0].device.type != "cuda":
            return self._compute(*inputs)
        shapes = tuple(None if tensor is None else tuple(tensor.shape) for tensor in inputs)
        if shapes not in self._recorded:
            self._recorded[shapes] = _Recording(self._compute, inputs)
        return self._recorded[shapes].replay(inputs)

    def forget(self) -> None:
        """Give back the graphs and their memory."""
        self._recorded.clear()


class _Recording:
    """One graph, with the tensors that it reads and the one that it writes."""

    def __init__(self, compute: Compute, inputs: tuple[Tensor | None, ...]) -> None:
        self._inputs = tuple(None if tensor is None else tensor.clone() for tensor in inputs)
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                compute(*self._inputs)
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._output = compute(*self._inputs)

    def replay(self, inputs: tuple[Tensor | None, ...]) -> Tensor:
        for kept, given in zip(self._inputs, inputs, strict=True):
            if kept is not None and given is not None:
                kept.copy_(given)
        self._graph.replay()
        return self._output.clone()
