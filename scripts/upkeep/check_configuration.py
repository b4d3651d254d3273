"""What `make doctor` says of a configuration: its paths, its plans, and the disk that they need."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.shared.config import Schema
from scripts.shared.errors import PolymillError
from scripts.shared.planning.planner import plan_dataset
from scripts.shared.planning.report import existing_parent, size_text
from scripts.shared.planning.stage import Stage
from scripts.upkeep.dataset_status import stage_words, stages_of
from scripts.upkeep.findings import Finding

_KINDS = {"file", "folder", "output"}


def check_paths(config: Mapping[str, Any], schema: Schema) -> Iterator[Finding]:
    """Look at every file and folder that a configuration names, as its schema's word `path` says what it must be.

    `"path": "file"`, `"folder"`, `"file or folder"`, or `"output"` for a folder that is made and written to; any
    other word, as in `"folder or embedded"`, is a value that is no path.

    Args:
        config: the whole configuration, as `load_config` gives it.
        schema: as `read_schema` gives it.
    """
    seen: set[tuple[str, str]] = set()
    for option, value, kinds in configured_paths(config, schema):
        if (value, kinds) not in seen:  # datasets have their system's options too
            seen.add((value, kinds))
            yield _check_path(option, Path(value).expanduser(), kinds)


def configured_paths(value: Any, schema: Schema, option: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield each option that names a file or folder: its full name, its value, and what it must be."""
    if isinstance(value, Mapping):
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        for key, member in value.items():
            part = known.get(key, others if isinstance(others, dict) else {})
            yield from configured_paths(member, part, f"{option}.{key}" if option else key)
    elif isinstance(value, list):
        for member in value:
            yield from configured_paths(member, schema.get("items", {}), option)
    elif isinstance(value, str) and "path" in schema and value not in _words(schema["path"]) - _KINDS:
        yield option, value, schema["path"]


def _words(kinds: str) -> set[str]:
    return set(kinds.split(" or "))


def _check_path(option: str, path: Path, kinds: str) -> Finding:
    what, kinds_asked = f"{option}: {path}", _words(kinds) & _KINDS
    if kinds_asked == {"output"}:
        return _check_output(what, path)
    wanted = " or ".join(sorted(kinds_asked))
    if not path.exists():
        return Finding("WRONG", f"{what}: no such {wanted}", "correct the path, or mount the disk that it is on")
    if not (("file" in kinds_asked and path.is_file()) or ("folder" in kinds_asked and path.is_dir())):
        return Finding("WRONG", f"{what} is no {wanted}", "correct the path")
    if not os.access(path, os.R_OK | os.X_OK if path.is_dir() else os.R_OK):
        return Finding("WRONG", f"{what} cannot be read", "ask its owner for the right to read it")
    return Finding("ok", what)


def _check_output(what: str, path: Path) -> Finding:
    there = existing_parent(path)
    if not there.is_dir():
        return Finding("WRONG", f"{what}: {there} is no folder", "correct the path, or move that file away")
    if not os.access(there, os.W_OK | os.X_OK):
        return Finding(
            "WRONG", f"{what} cannot be written", "ask for the right to write there, or choose another folder"
        )
    return Finding("ok", f"{what} can be written")


@dataclass
class Need:
    """What is to be written to one file system: bytes and files, and a folder on it."""

    folder: Path
    n_bytes: int = 0
    n_files: int = 0


def check_plans(config: Mapping[str, Any]) -> Iterator[Finding]:
    """Plan every dataset, writing nothing, and compare what they need with the disks."""
    needs: dict[int, Need] = {}
    for label, stages in stages_of(config):
        if isinstance(stages, str):
            yield Finding("WRONG", f"{label}: {stages}")
            continue
        for stage in stages:
            yield _check_plan(stage, needs)
    for need in needs.values():
        yield _check_disk(need)


def _check_plan(stage: Stage, needs: dict[int, Need]) -> Finding:
    try:
        with tempfile.TemporaryDirectory() as scratch:
            plan = plan_dataset(stage, scratch=Path(scratch))
    except PolymillError as error:
        return Finding("WRONG", str(error))
    there = existing_parent(stage.dataset_dir)
    need = needs.setdefault(os.stat(there).st_dev, Need(there))
    need.n_bytes += plan.n_to_make * stage.bytes_per_sample
    need.n_files += plan.n_to_make * (len(stage.files) + 1)
    return Finding("ok", f"{stage_words(stage)}: {plan.n_wanted:,} samples wanted, {plan.n_to_make:,} to make")


def _check_disk(need: Need) -> Finding:
    disk = os.statvfs(need.folder)
    free, free_files = disk.f_bavail * disk.f_frsize, disk.f_favail
    what = f"disk of {need.folder}: {size_text(free)} free, about {size_text(need.n_bytes)} needed"
    if need.n_bytes > free:
        return Finding("WRONG", what, "make room, or give a dataset an output_dir on another disk")
    if disk.f_files and need.n_files > free_files:  # f_files is 0 where a file system has no limit
        return Finding(
            "WRONG",
            f"{what}; room for {free_files:,} more files (inodes), and {need.n_files:,} are needed",
            "remove small files, or give a dataset an output_dir on another disk",
        )
    return Finding("ok", what)
