"""Pictures as the model takes them, decoded and scaled in worker processes while the model works."""

import queue
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from scripts.cnclip.data.pictures import open_picture
from scripts.cnclip.data.tsv import picture_at
from scripts.cnclip.pixels import as_uint8
from scripts.shared.errors import SampleError
from scripts.shared.worker_pool import run_groups

AT_ONCE = 128  # pictures that go to the model together; a multiple of what models take at once
FEW = 256  # so many are decoded sooner than workers start
_GROUP = 32  # pictures a worker decodes before it hands them over
_TIMEOUT_S = 60.0  # for one picture
_AHEAD = 3  # batches that wait for the model

Pixels = NDArray[np.uint8]
_T = TypeVar("_T")


class PictureTask(NamedTuple):
    """One picture to be decoded.

    Attributes:
        row: its number among all.
        path: a TSV, or the picture file itself.
        size: edge of the model's pictures.
        offset: of its line in the TSV; None where the path is the picture's.
        length: of its line.
        image_id: of its line.
    """

    row: int
    path: Path
    size: int
    offset: int | None = None
    length: int = 0
    image_id: int | None = None


class Batch(NamedTuple):
    """Pictures that were decoded, and those that were not.

    Attributes:
        rows: numbers of the decoded ones, (n,) int64.
        pixels: (n, 3, S, S) uint8.
        failed: what is wrong with the others, by number.
        waited_s: how long the model had nothing to do before this batch came.
    """

    rows: NDArray[np.int64]
    pixels: Pixels
    failed: dict[int, SampleError]
    waited_s: float


def decode_group(tasks: list[PictureTask]) -> list[Pixels | SampleError]:
    """Decode pictures; what one raises stands in its place.

    Raises:
        JobError: the TSV was changed since it was checked.
    """
    return [_decoded(task) for task in tasks]


def _decoded(task: PictureTask) -> Pixels | SampleError:
    try:
        if task.offset is None:
            data = task.path.read_bytes()
        else:
            with task.path.open("rb") as file:
                data = picture_at(file, task.offset, task.length, task.image_id)
        return as_uint8(open_picture(data), task.size)
    except SampleError as error:
        return error
    except OSError as error:
        return SampleError("no_picture", f"{task.path}: {error.strerror}")


def decoded_batches(
    tasks: Sequence[PictureTask], *, workers: int, at_once: int = AT_ONCE, few: int = FEW
) -> Iterator[Batch]:
    """Decode pictures, some batches ahead of whoever takes them.

    Args:
        tasks: the pictures, of one size.
        workers: processes that decode; 0 for none, as for a few pictures.
        at_once: pictures a batch; the last has fewer.
        few: up to so many no process is started.

    Yields:
        Batches; with workers in the order in which pictures are ready.

    Raises:
        JobError, ConfigError: see `run_groups` and `decode_group`.
    """
    batches = _batches(_answers(tasks, 0 if len(tasks) <= few else workers), at_once)
    with closing(_ahead(batches, _AHEAD)) as waiting:
        while True:
            started = time.monotonic()
            batch = next(waiting, None)
            if batch is None:
                return
            yield batch._replace(waited_s=time.monotonic() - started)


def _answers(
    tasks: Sequence[PictureTask], workers: int
) -> Generator[tuple[PictureTask, Pixels | SampleError], None, None]:
    groups = [list(tasks[start : start + _GROUP]) for start in range(0, len(tasks), _GROUP)]
    if not workers:
        for group in groups:
            yield from zip(group, decode_group(group), strict=True)
        return
    function = f"{decode_group.__module__}:{decode_group.__name__}"
    yield from run_groups(function, groups, workers=workers, timeout_s=_TIMEOUT_S)


def _batches(
    answers: Generator[tuple[PictureTask, Pixels | SampleError], None, None], at_once: int
) -> Generator[Batch, None, None]:
    with closing(answers):
        rows: list[int] = []
        pixels: list[Pixels] = []
        failed: dict[int, SampleError] = {}
        for task, answer in answers:
            if isinstance(answer, SampleError):
                failed[task.row] = answer
                continue
            rows.append(task.row)
            pixels.append(answer)
            if len(rows) == at_once:
                yield Batch(np.array(rows), np.stack(pixels), failed, 0.0)
                rows, pixels, failed = [], [], {}
        if rows or failed:
            whole = np.stack(pixels) if pixels else np.zeros((0, 3, 1, 1), np.uint8)
            yield Batch(np.array(rows, np.int64), whole, failed, 0.0)


def _ahead(items: Generator[_T, None, None], n: int) -> Generator[_T, None, None]:
    """The same items, up to n of them made before they are asked for, in a thread."""
    made: queue.Queue[tuple[bool, _T | BaseException | None]] = queue.Queue(n)
    stop = threading.Event()

    def put(whole: bool, item: _T | BaseException | None) -> None:
        while not stop.is_set():
            try:
                made.put((whole, item), timeout=0.1)
            except queue.Full:
                continue
            return

    def make() -> None:
        try:
            with closing(items):
                for item in items:
                    put(True, item)
                    if stop.is_set():
                        return
            put(False, None)
        except BaseException as error:  # noqa: BLE001 - raised again where the items are taken
            put(False, error)

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    try:
        while True:
            whole, item = made.get()
            if whole:
                yield item  # type: ignore[misc]
            elif item is None:
                return
            else:
                raise item  # type: ignore[misc]
    finally:
        stop.set()
        thread.join()
