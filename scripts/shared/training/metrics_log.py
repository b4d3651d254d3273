"""What a training measures: a row a line in `metrics.jsonl`, and the same for TensorBoard.

The file holds nothing that the clock has a part in: a training that was killed and went on writes the same bytes as
one that was not.
"""

import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from scripts.shared import atomic_files
from scripts.shared.errors import JobError
from scripts.shared.training.run_folder import metrics_file

TENSORBOARD = "tensorboard"
_CHUNK_BYTES = 1 << 20


class MetricsLog:
    """Writes the rows of one training; close it, or use it in a `with`.

    Write what belongs to a step, and `sync`, before the checkpoint of that step: a row written after it is lost
    where the training is killed in between.

    Args:
        run_dir: the run's folder.
        after_step: the step that the training goes on from: rows of later steps are cut, since these steps are taken
            again. 0 for a training that begins.
        tag: what TensorBoard has before each name.
    """

    def __init__(self, run_dir: Path, *, after_step: int, tag: str = "") -> None:
        # Here and not above: who reads rows needs neither protobuf nor numpy.
        from tensorboardX import SummaryWriter  # type: ignore[import-untyped]

        self._path, self._tag = metrics_file(run_dir), tag
        run_dir.mkdir(parents=True, exist_ok=True)
        cut_rows(self._path, after_step=after_step)
        if not after_step:
            shutil.rmtree(run_dir / TENSORBOARD, ignore_errors=True)
        self._file = self._path.open("a", encoding="ascii")
        # The step in its name: a file is named by the second, and one of the same second would be written over.
        self._board = SummaryWriter(
            str(run_dir / TENSORBOARD),
            purge_step=after_step + 1 if after_step else None,
            filename_suffix=f".{after_step:010d}",
        )

    def __enter__(self) -> "MetricsLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def row(self, step: int, values: Mapping[str, float]) -> None:
        """Write what was measured at a step.

        Args:
            step: steps taken so far.
            values: by name; what is not finite is written as null, and left out of TensorBoard.
        """
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        row = {"step": step, **{name: finite.get(name) for name in values}}
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()
        for name, value in finite.items():
            self._board.add_scalar(self._tag + name, value, step)

    def sync(self) -> None:
        """Flush all rows to the disk."""
        os.fsync(self._file.fileno())
        self._board.flush()

    def close(self) -> None:
        """Flush all rows and write no more."""
        if not self._file.closed:
            self.sync()
            self._file.close()
            self._board.close()


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a `metrics.jsonl` in their order; none where it is absent, and not a last one that is torn.

    Raises:
        JobError: a line in it is no row.
        OSError: it cannot be read.
    """
    for _, row in _rows(path):
        yield row


def cut_rows(path: Path, *, after_step: int) -> None:
    """Take away all from the first row of a later step on, and a last line that is torn."""
    if not path.exists():
        return
    whole = 0
    for end, row in _rows(path):
        if row["step"] > after_step:
            break
        whole = end
    if whole < path.stat().st_size:
        with path.open("rb") as old, atomic_files.open_new(path) as new:
            for start in range(0, whole, _CHUNK_BYTES):
                new.write(old.read(min(_CHUNK_BYTES, whole - start)))


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each whole row, and where its line ends in bytes."""
    if not path.exists():
        return
    end = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            end += len(line)
            try:
                row = json.loads(line)
                row["step"] = int(row["step"])
            except (ValueError, KeyError, TypeError) as error:
                raise JobError(
                    f"{path}: line {number} is no row of a training ({error}); move the file away, and the run begins "
                    "a new one"
                ) from error
            yield end, row
