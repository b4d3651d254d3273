"""Check the pictures of one range of a TSV: each is decoded whole, in worker processes, and noted with its place."""

import json
import logging
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scripts.cnclip.data.pictures import picture_facts
from scripts.cnclip.data.ranges import byte_range
from scripts.cnclip.data.tsv import TsvLine, line_at, open_tsv, places
from scripts.shared import atomic_files
from scripts.shared.errors import ConfigError, JobError, SampleError
from scripts.shared.progress import Progress
from scripts.shared.worker_pool import run_groups

TIMEOUT_S = 60.0  # for one picture

_A_GROUP = 32  # pictures that a worker is given at once

log = logging.getLogger(__name__)

Task = tuple[str, int, int]  # the TSV, offset and length of a line
CheckRow = dict[str, Any]


def check_shard(
    tsv: Path, receipt: Path, *, shard: int, n_shards: int, workers: int, timeout_s: float = TIMEOUT_S
) -> None:
    """Check the pictures whose lines begin in one range of a TSV.

    Args:
        tsv: `{split}_imgs.tsv`.
        receipt: JSON Lines to write, a row for each line in file order. A good picture: image_id, offset, length, and
            its `PictureFacts`. A bad one: image_id or null, offset, error, message. The last line closes them.
        shard: which range, from 0.
        n_shards: how many ranges there are.
        workers: processes.
        timeout_s: allowed to one picture.

    Raises:
        ConfigError: the TSV cannot be read.
        JobError: the workers cannot start.
    """
    try:
        size = tsv.stat().st_size
    except OSError as error:
        raise ConfigError(f"{tsv}: {error.strerror}; does the dataset's `root` name its folder?") from error
    tasks = [(str(tsv), *place) for place in places(tsv, *byte_range(shard, n_shards, size))]
    groups = [tasks[first : first + _A_GROUP] for first in range(0, len(tasks), _A_GROUP)]
    progress = Progress(f"cnclip {tsv.name} {shard}", total=len(tasks), log=log)
    rows: dict[int, bytes] = {}  # by offset, as JSON: smaller than dicts
    with open_tsv(tsv) as file:
        answers = run_groups("scripts.cnclip.data.checking:check_lines", groups, workers=workers, timeout_s=timeout_s)
        for (_, offset, length), answer in answers:
            # What ended a worker has no row; the line's id is read here, the picture is not decoded.
            row = _failed(line_at(file, offset, length), answer) if isinstance(answer, SampleError) else answer
            if row is not None:
                rows[offset] = json.dumps(row, ensure_ascii=False).encode(errors="backslashreplace")
                progress.step(failed=row.get("error"))
    progress.end()
    with atomic_files.open_new(receipt) as receipt_file:
        content = b"".join(rows[offset] + b"\n" for offset in sorted(rows))
        receipt_file.write(content + _close(content))


def read_receipt(receipt: Path) -> list[CheckRow]:
    """The rows that `check_shard` wrote.

    Raises:
        JobError: the receipt is damaged: cut off between two lines, its pictures would be gone without a word.
    """
    lines = receipt.read_bytes().splitlines(keepends=True)
    content = b"".join(lines[:-1])
    if lines[-1:] != [_close(content)]:
        raise JobError(f"{receipt}: damaged, or of another version; remove it and run again")
    return [json.loads(line) for line in lines[:-1]]


def _close(content: bytes) -> bytes:
    return b'{"crc":"%08x"}\n' % zlib.crc32(content)


def check_lines(tasks: list[Task]) -> list[CheckRow | None]:
    """Check lines of one TSV in a worker process: a row of the receipt for each, None for a line of blanks."""
    with open_tsv(Path(tasks[0][0])) as file:
        return [_checked(line_at(file, offset, length)) for _, offset, length in tasks]


def _checked(line: TsvLine | None) -> CheckRow | None:
    if line is None or line.error is not None:
        return _failed(line, line and line.error)
    try:
        facts = picture_facts(line.data)
    except SampleError as error:
        return _failed(line, error)
    return {"image_id": line.image_id, "offset": line.offset, "length": line.length, **asdict(facts)}


def _failed(line: TsvLine | None, error: SampleError | None) -> CheckRow | None:
    if line is None or error is None:
        return None
    return {"image_id": line.image_id, "offset": line.offset, "error": error.error, "message": error.message}
