"""Plan files: what a shard must hold. Written by the planner, read by the shard's job.

A plan is a JSON object whose first line holds all but the samples, so that the planner need not parse these, and
whose last line holds a checksum of what stands above it, so that damage is seen when planning, not by the job:

    {"format": 1, "serial": "...", "want": "...", ..., "samples": [
    {"key": "...", "stat": [size, mtime_ns], "entry": {...}},
    ...
    ], "crc": "..."}
"""

import json
import secrets
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scripts.shared import atomic_files
from scripts.shared.errors import JobError

FORMAT = 1
_SAMPLES = ', "samples": ['
_END = b'], "crc": "%08x"}\n'


@dataclass(frozen=True)
class PlanHeader:
    """All of a plan but its samples.

    Attributes:
        want: digest of what is wanted; another digest means another plan.
        label: the shard in words, for log lines: `clip4mc train 00042`.
        stage: the system's stage, which names its folder in `.state`.
        shard: number of the shard.
        files: names of the files in a sample's folder; empty where samples share folders.
        dataset_dir: the dataset's results folder.
        source_dir: the folder that sources are relative to.
        settings: the settings that change bytes.
        means: what the job uses and changes no bytes, by name: folders, a decoder.
        sample_timeout_s: running time allowed to one sample, in seconds.
        force: keys to make even where their files look right; a row that names this plan's serial settles one.
        serial: 64 random bits. Snakemake compares the content of small inputs, so equal text would not run again.
        format: of the plan file.
        own_folders: see `Stage`; a plan that does not say it means yes.
        upstream: see `Stage`; a plan that does not say it means none. With one, the samples' `stat` says nothing.
        made_before: see `Stage`; a plan that does not say it means none.
        source_dirs: see `Stage`; a plan that does not say it means none.
    """

    want: str
    label: str
    stage: str
    shard: str
    files: tuple[str, ...]
    dataset_dir: str
    source_dir: str
    settings: dict[str, Any]
    means: dict[str, Any]
    sample_timeout_s: float
    force: tuple[str, ...] = ()
    serial: str = ""
    format: int = FORMAT
    own_folders: bool = True
    upstream: str = ""
    made_before: dict[str, str] = field(default_factory=dict)
    source_dirs: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PlannedSample:
    """One sample of a plan: its key, its source as the planner saw it, and the source list's entry."""

    key: str
    stat: tuple[int, int]
    entry: dict[str, Any]


def sample_line(key: str, stat: tuple[int, int], entry: bytes) -> bytes:
    """A sample as it stands in a plan; `entry` is JSON already."""
    return b'{"key": %s, "stat": [%d, %d], "entry": %s}' % (json.dumps(key).encode(), *stat, entry)


def write_plan(path: Path, header: PlanHeader, samples: Iterable[bytes]) -> None:
    """Write a plan with a new serial.

    Args:
        path: the plan file.
        header: its `serial` is replaced.
        samples: lines from `sample_line`.
    """
    values = {**asdict(header), "serial": secrets.token_hex(8)}
    if header.own_folders:
        del values["own_folders"]
    for unsaid in ("upstream", "made_before", "source_dirs"):
        if not values[unsaid]:
            del values[unsaid]
    first = json.dumps(values)[:-1] + _SAMPLES
    atomic_files.write_bytes(path, closed(first.encode() + b"\n" + b",\n".join(samples) + b"\n"))


def closed(body: bytes) -> bytes:
    """A plan's text with its last line."""
    return body + _END % zlib.crc32(body)


def read_whole(path: Path) -> bytes:
    """The text of a plan that is whole.

    Raises:
        ValueError: it is damaged.
        OSError: it cannot be read.
    """
    content = path.read_bytes()
    if content != closed(content[: -len(_END % 0)]):
        raise ValueError("its checksum does not fit")
    return content


def first_line(path: Path) -> str:
    """The first line of a plan; raises as `read_whole` does."""
    return read_whole(path).partition(b"\n")[0].decode()


def read_header(path: Path) -> PlanHeader | None:
    """All of a plan but its samples; None where there is none, or none that this version can use."""
    outline = read_outline(path)
    return outline[0] if outline else None


def read_outline(path: Path) -> tuple[PlanHeader, int] | None:
    """As `read_header`, with the number of samples."""
    try:
        first, _, rest = read_whole(path).partition(b"\n")
        header = _header(json.loads(first.decode().removesuffix(_SAMPLES) + "}"))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return header, 0 if rest.startswith(b"\n") else rest.count(b"\n") - 1


def read_plan(path: Path) -> tuple[PlanHeader, list[PlannedSample]]:
    """A whole plan.

    Raises:
        JobError: it is damaged or of another version.
    """
    try:
        content = json.loads(read_whole(path))
        samples = content.pop("samples")
        del content["crc"]
        planned = [PlannedSample(s["key"], (s["stat"][0], s["stat"][1]), s["entry"]) for s in samples]
        return _header(content), planned
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JobError(f"{path}: not a plan that can be used ({error}); delete it and run again") from error


def empty_file(scratch: Path, name: str) -> Path:
    """A file that stands for one that a real run would write."""
    path = scratch / name
    path.touch()
    return path


def _header(content: dict[str, Any]) -> PlanHeader:
    if content["format"] != FORMAT:
        raise ValueError(f"format {content['format']}, this version writes {FORMAT}")
    return PlanHeader(**{**content, "files": tuple(content["files"]), "force": tuple(content["force"])})
