"""Embedding on a GPU: workers read ahead, and this process runs one model over groups of recordings of one length.

Bytes: a group runs at the shape that its length sets (see `groups`), so on one kind of GPU, with one set of libraries,
an embedding is the same whatever it is computed with, in whatever order the workers end, and however often the job is
interrupted. Where memory runs out it is computed at a smaller shape, which may round otherwise; its facts say so.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.shared.errors import SampleError
from scripts.shared.sample_task import MadeSample, SampleTask
from scripts.speaker.batches import Batches
from scripts.speaker.encoders.encoder import Encoder
from scripts.speaker.groups import Group, Window, stack
from scripts.speaker.sample import ReadAudio, finish_sample, make_sample, read_features

# What waits for others of its length: enough to fill batches of 80 s where lengths vary as in read speech.
WINDOW_PARTS = 16_384
WINDOW_BYTES = 1 << 30
_MOST_GROUPS = 3  # one that computes, and enough behind it that the GPU does not wait for this process
_MOST_ENDING = 1024  # recordings that are embedded and not recorded yet
_WRITERS = 32  # threads, which wait for the disk

Load = Callable[[dict[str, Any]], Encoder]

log = logging.getLogger(__name__)


def start_sample(task: SampleTask) -> ReadAudio | MadeSample:
    """What a worker does for a sample: reads it where its job has a GPU, else makes it.

    Raises:
        SampleError: see `read_features` and `make_sample`.
        JobError: see `make_sample`.
    """
    return read_features(task) if task.means["device"] == "cuda" else make_sample(task)


def embed_in_groups(
    answers: Iterator[tuple[SampleTask, Any]],
    load: Load,
    stop: Callable[[], bool],
    *,
    window_parts: int = WINDOW_PARTS,
    window_bytes: int = WINDOW_BYTES,
) -> Iterator[tuple[SampleTask, MadeSample | SampleError]]:
    """Embed recordings in groups of one length while more are read; where the model is behind, reading waits for it.

    Args:
        answers: each task with its `ReadAudio`, or the `SampleError` that says why it has none.
        load: from settings to the model; called once, in the thread that then runs it.
        stop: whether the job is asked to end.
        window_parts: parts of recordings that wait for others of their length at most.
        window_bytes: of features that wait at most.

    Yields:
        Each task with what became of it, in any order, failures at once; none for the recordings that still waited
        when the job was asked to end.

    Raises:
        ConfigError: see `load_encoder`.
        JobError: see `load_encoder`, `Batches.embed` and `finish_sample`.
    """
    line: _Line | None = None
    try:
        for task, answer in answers:
            if isinstance(answer, SampleError):
                yield task, answer
            elif not stop():
                line = line or _Line(load, task.settings, window_parts, window_bytes)
                line.take(task, answer)
            if line:
                yield from line.ended()
        if line:
            yield from line.rest(stop)
    finally:
        if line:
            line.close()


@dataclass
class _Sample:
    """A recording that was read, and its embeddings as far as they are computed.

    Attributes:
        embeddings: (D,) by number of its part.
        fewer_rows: rows of the batch, where one had to be smaller than the length sets.
        failed: whether a part could not be computed.
    """

    task: SampleTask
    read: ReadAudio
    embeddings: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    fewer_rows: int | None = None
    failed: bool = False

    def finish(self, device: str) -> MadeSample:
        """Write it; see `finish_sample`."""
        embeddings = np.stack([self.embeddings[number] for number in range(len(self.embeddings))])
        made = finish_sample(self.task, self.read, embeddings, device=device)
        return replace(made, facts=made.facts | {"batch_rows": self.fewer_rows}) if self.fewer_rows else made


_Part = tuple[_Sample, int]


class _Line:
    """Recordings on their way: they wait for others of their length, are computed in one thread, written in some.

    All that the threads give is gathered in the thread of the caller.
    """

    def __init__(self, load: Load, settings: dict[str, Any], window_parts: int, window_bytes: int) -> None:
        self._window: Window[_Part] = Window(
            settings["batch_seconds"], most_items=window_parts, most_bytes=window_bytes
        )
        self._model = ThreadPoolExecutor(1, "model")
        self._writers = ThreadPoolExecutor(_WRITERS, "writer")
        self._batches = self._model.submit(lambda: Batches(load(settings)))
        self._computing: deque[tuple[Group[_Part], Future[tuple[NDArray[np.float32], int]]]] = deque()
        self._ending: deque[tuple[SampleTask, Future[MadeSample]]] = deque()
        self._n_parts = self._n_rows = 0

    def take(self, task: SampleTask, read: ReadAudio) -> None:
        """Let a recording wait for others, and compute the groups that are due."""
        sample = _Sample(task, read)
        for number, features in enumerate(read.features):
            for group in self._window.add((sample, number), n_frames=len(features), n_bytes=features.nbytes):
                self._compute(group)

    def ended(self) -> Iterator[tuple[SampleTask, MadeSample | SampleError]]:
        """Yield the samples that have ended by now."""
        if self._batches.done():
            self._batches.result()  # a model that does not load is said before the window is full
        while self._computing and self._computing[0][1].done():
            self._gather()
        while self._ending and (self._ending[0][1].done() or len(self._ending) > _MOST_ENDING):
            yield self._end()

    def rest(self, stop: Callable[[], bool]) -> Iterator[tuple[SampleTask, MadeSample | SampleError]]:
        """Compute what still waits, unless the job is asked to end, and yield all samples as they end."""
        for group in self._window.rest():
            if stop():
                break
            self._compute(group)
            yield from self.ended()
        while self._computing:
            self._gather()
            yield from self.ended()
        while self._ending:
            yield self._end()
        log.info(
            "%d recordings or parts in batches of %d rows: %.0f %% filled",
            self._n_parts, self._n_rows, 100 * self._n_parts / max(self._n_rows, 1),
        )  # fmt: skip

    def close(self) -> None:
        """End the threads after what they have in hand."""
        for pool in (self._model, self._writers):
            pool.shutdown(cancel_futures=True)

    def _compute(self, group: Group[_Part]) -> None:
        while len(self._computing) >= _MOST_GROUPS:
            self._gather()
        # Stacked here, where the model's thread need not wait for it.
        batch = stack([sample.read.features[number] for sample, number in group.items], group.rows)
        n = len(group.items)
        self._n_parts, self._n_rows = self._n_parts + n, self._n_rows + group.rows
        self._computing.append((group, self._model.submit(lambda: self._batches.result().embed(batch, n))))

    def _gather(self) -> None:
        """Take in the oldest group that computes, waiting for it, and let the samples be written that are complete."""
        group, future = self._computing.popleft()
        try:
            embeddings, rows = future.result()
        except SampleError as error:
            for sample, _ in group.items:
                self._fail(sample, error)
            return
        device = self._batches.result().encoder.device
        for (sample, number), embedding in zip(group.items, embeddings, strict=True):
            sample.embeddings[number] = embedding
            if rows < group.rows:
                sample.fewer_rows = rows
            if len(sample.embeddings) == len(sample.read.features):
                self._ending.append((sample.task, self._writers.submit(sample.finish, device)))

    def _fail(self, sample: _Sample, error: SampleError) -> None:
        if not sample.failed:
            failed: Future[MadeSample] = Future()
            failed.set_exception(SampleError(error.error, f"{sample.task.source.name}: {error.message}"))
            self._ending.append((sample.task, failed))
        sample.failed = True

    def _end(self) -> tuple[SampleTask, MadeSample | SampleError]:
        task, future = self._ending.popleft()
        try:
            return task, future.result()
        except SampleError as error:
            return task, error
