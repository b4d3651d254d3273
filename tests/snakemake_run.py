"""Runs the real `snakemake` command in a folder of its own; small CLIP4MC data made on the spot."""

import contextlib
import functools
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import av
import numpy as np
import yaml

from scripts.shared.fingerprints import digest_file

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
_RATE = 25


def make_clip(path: Path, seed: int, n_frames: int = 10) -> None:
    """Encode a clip of 64 x 48 pixels, 0.4 s; another seed gives other pictures."""
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks = np.random.default_rng(seed).integers(0, 256, (n_frames, 3, 4, 3), dtype=np.uint8)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=_RATE, options={"threads": "1", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number, block in enumerate(blocks):
            picture = np.repeat(np.repeat(block, 16, axis=0), 16, axis=1)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, _RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@dataclass
class Place:
    """A folder in which a user runs Polymill on one dataset of one system; results and work appear in it.

    Attributes:
        options: of the dataset.
        top: top-level keys of the configuration.
    """

    system: ClassVar[str]
    name: ClassVar[str]

    folder: Path
    options: dict[str, Any] = field(default_factory=dict)
    top: dict[str, Any] = field(default_factory=dict)

    @property
    def dataset(self) -> Path:
        return self.folder / self.options.get("output_dir", f"results/{self.system}/{self.name}")

    @property
    def state(self) -> Path:
        return self.dataset / ".state"

    @property
    def work(self) -> Path:
        return self.folder / "work" / self.system / self.name

    def command(self, *arguments: str, cores: int = 2) -> list[str]:
        own_target = arguments and (not arguments[0].startswith("-") or arguments[0] in ("--unlock", "--lint"))
        targets = [] if own_target else [f"all_{self.system}"]
        options = [] if "--configfile" in arguments else ["--configfile", "config.yaml"]
        snakemake = [str(BIN / "snakemake"), "-s", str(ROOT / "Snakefile"), f"-c{cores}"]
        return [*snakemake, *targets, *arguments, *options]

    def start(
        self, *arguments: str, cores: int = 2, environment: dict[str, str] | None = None, **popen: Any
    ) -> "subprocess.Popen[str]":
        """Start `snakemake all_SYSTEM ARGUMENTS` in a process group of its own."""
        return subprocess.Popen(
            self.command(*arguments, cores=cores),
            cwd=self.folder,
            env=clean_environment() | (environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            **popen,
        )

    def run(
        self, *arguments: str, cores: int = 2, environment: dict[str, str] | None = None, timeout_s: float = 120
    ) -> "Ran":
        """Run `snakemake all_SYSTEM ARGUMENTS` in a process that need not import Snakemake first, and wait.

        What Snakemake asks a machine when imported, such as where its SLURM is, was asked before: use `start` there.
        """
        command = self.command(*arguments, cores=cores)
        return run_imported(command, self.folder, clean_environment() | (environment or {}), timeout_s)

    def make(self, *arguments: str, cores: int = 2, timeout_s: float = 120) -> "Ran":
        """Run, and fail the test where Snakemake fails."""
        ran = self.run(*arguments, cores=cores, timeout_s=timeout_s)
        assert ran.code == 0, ran.text
        return ran

    def planned(self, *arguments: str) -> dict[str, set[str]]:
        """What `-n` would make: rule to the values of its wildcards."""
        ran = self.run(*arguments, "-n")
        assert ran.code == 0, ran.text
        found: dict[str, set[str]] = {}
        for rule, rest in re.findall(r"^(?:local)?rule (\w+):\n((?: {4}.*\n)+)", ran.text, re.MULTILINE):
            wildcards = re.search(r"wildcards: (.*)", rest)
            found.setdefault(rule, set()).add(wildcards[1] if wildcards else "")
        return found


@dataclass
class Workplace(Place):
    """One with a pairs file and clips, for CLIP4MC.

    Attributes:
        pairs: the rows of the pairs file.
    """

    system = "clip4mc"
    name = "train"

    pairs: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def create(cls, folder: Path, n_clips: int, **options: Any) -> "Workplace":
        """A workplace with clips `clip0.mp4`, ..., a pair each, and nothing made."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "profiles").symlink_to(ROOT / "profiles")
        here = cls(folder, options={"shard_size": 2, "workers": 1, "paths": "relative", **options})
        for number in range(n_clips):
            make_clip(here.clip(number), seed=number)
            here.pairs.append(here.pair(number))
        here.save()
        return here

    def copy(self, folder: Path) -> "Workplace":
        """The same in another folder, times of change included."""
        shutil.copytree(self.folder, folder, symlinks=True)
        copied = [dict(pair) for pair in self.pairs]
        return Workplace(folder, dict(self.options), dict(self.top), copied)

    def pair(self, number: int, index: int | None = None) -> dict[str, Any]:
        return {
            "vid": f"v{number}",
            "index": number if index is None else index,
            "transcript": f"a player mines block {number}",
            "clip_path": f"/elsewhere/clip{number}.mp4",
        }

    def save(self) -> None:
        """Write the pairs file and the configuration."""
        (self.folder / "pairs.json").write_text(json.dumps(self.pairs), encoding="utf-8")
        dataset = {"pairs": "pairs.json", "clips_dir": "clips", **self.options}
        # Without figures: drawing them would take longer than making samples so small.
        small = {"num_frames": 2, "frame_height": 16, "frame_width": 16, "figures": False}
        config = {**self.top, "clip4mc": {**small, "datasets": {"train": dataset}}}
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")

    def clip(self, number: int) -> Path:
        return self.folder / "clips" / f"clip{number}.mp4"

    def sample(self, number: int) -> Path:
        return self.dataset / f"sample_{number:06d}_v{number}"

    def index(self) -> dict[str, list[str]]:
        lists: dict[str, list[str]] = json.loads((self.dataset / "dataset_info.json").read_text(encoding="utf-8"))
        return lists

    def listed(self) -> list[int]:
        """Numbers of the samples in the index, whatever their split; ascending."""
        return sorted(int(name.split("_")[1]) for split in self.index().values() for name in split)

    def failed(self) -> list[int]:
        """Numbers of the samples in `failures.csv`, in its order."""
        rows = (self.dataset / "failures.csv").read_text(encoding="utf-8").splitlines()[1:]
        return [int(row.split("_")[1]) for row in rows]


@dataclass(frozen=True)
class Ran:
    """A command that ended: its exit status and all that it printed."""

    code: int
    text: str

    @property
    def nothing_to_do(self) -> bool:
        return "Nothing to be done" in self.text


def clean_environment() -> dict[str, str]:
    """The environment of a command under test: a machine's GPUs would add trials of them to each run."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV"))}
    path = os.pathsep.join([str(BIN), os.environ["PATH"]])
    return {**clean, "PATH": path, "PYTHONDONTWRITEBYTECODE": "1", "CUDA_VISIBLE_DEVICES": ""}


@functools.cache
def snakemake_server() -> tuple["subprocess.Popen[bytes]", socket.socket]:
    """The process that begins commands of these tests (`snakemake_server.py`), until nobody can ask it, and its ear."""
    asking, asked = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, str(ROOT / "tests" / "snakemake_server.py")]
    server = subprocess.Popen(command, env=clean_environment(), stdin=asked, start_new_session=True)
    asked.close()
    return server, asking


def run_imported(command: list[str], folder: Path, environment: dict[str, str], timeout_s: float) -> "Ran":
    """Run a `snakemake` command where its imports are made already, and wait for it and all that can print for it."""
    _, asking = snakemake_server()
    reading, writing = os.pipe()
    order = {"command": command, "folder": str(folder), "environment": environment}
    socket.send_fds(asking, [json.dumps(order).encode()], [writing])
    os.close(writing)
    pid = int(asking.recv(99))
    end, text, ended = time.monotonic() + timeout_s, b"", False
    try:
        while not ended and select.select([reading], [], [], max(0, end - time.monotonic()))[0]:
            more = os.read(reading, 1 << 16)
            text, ended = text + more, not more
    finally:  # also where pytest's own time limit comes first
        if not ended:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        os.close(reading)
        code = int(asking.recv(99))
    printed = text.decode(errors="replace")
    assert ended, f"no end after {timeout_s} s:\n{printed}"
    return Ran(code, printed)


def finish(process: "subprocess.Popen[str]", timeout_s: float = 120) -> Ran:
    """Wait for a command; ends its whole process group where it takes too long."""
    try:
        text, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        text, _ = process.communicate()
        raise AssertionError(f"no end after {timeout_s} s:\n{text}") from None
    return Ran(process.returncode, text)


def marks(folder: Path) -> dict[str, tuple[int, int]]:
    """Time of change and inode of every sample file: what a remade one does not keep."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_ino)
        for path in sorted(folder.glob("sample_*/*"))
        if path.is_file()
    }


def remade(before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]]) -> set[int]:
    """Numbers of the samples with a file that is new or not the one it was."""
    return {int(name.split("_")[1]) for name, mark in after.items() if before.get(name) != mark}


def contents(folder: Path, without: Iterable[str] = (".state", "throughput.png")) -> dict[str, str]:
    """Digest of every file below a folder, by path; the parts named left out, those that show timings first of all."""
    hidden = set(without)
    return {
        str(path.relative_to(folder)): digest_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and hidden.isdisjoint(path.relative_to(folder).parts)
    }


def everything(folder: Path) -> dict[str, tuple[int, int, int, str]]:
    """Every file and folder below one, with time, inode, size and digest: equal only where nothing was written."""
    found = {}
    for path in sorted(folder.rglob("*")):
        stat = path.lstat()
        digest = digest_file(path) if path.is_file() else ""
        found[str(path.relative_to(folder))] = (stat.st_mtime_ns, stat.st_ino, stat.st_size, digest)
    return found


def leftovers(folder: Path) -> list[str]:
    """Files that a finished run must not leave in its results and work folders."""
    found = []
    for top in ("results", "work"):
        for path in sorted((folder / top).rglob("*")):
            unfinished = "unfinished" in path.relative_to(folder).parts and path.is_file()
            if path.name.startswith(".polymill-") or path.suffix == ".tmp" or unfinished:
                found.append(str(path.relative_to(folder)))
    return found


def kill_after_checkpoint(system: str, name: str) -> str:
    """A `sitecustomize.py` that kills the whole command, as a power cut does, once a training has written a checkpoint.

    Args:
        system: whose training it is.
        name: how the checkpoint's name ends.
    """
    return f"""
import os, signal, sys
if "scripts.{system}.training.worker" in sys.orig_argv:
    renamed = os.replace
    def replace(source, target, **named):
        renamed(source, target, **named)
        if str(target).endswith("{name}"):
            os.killpg(0, signal.SIGKILL)
    os.replace = replace
"""
