"""CPU seconds for sixteen frames of a clip: ours, the field's seeking script, and the peers."""

import json
import statistics
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from tests.bench.corpus import CHECKOUT, LENGTHS, SETS, clips
from tests.bench.table import Cell, Table

ROUNDS = 3
PEERS = {"decord": "decord==0.6.0", "torchcodec": "torchcodec==0.13.0"}
PEER_PACKAGES = ["numpy", "decord==0.6.0", "torch==2.13.0", "torchcodec==0.13.0"]
COLUMNS = {
    "ours": "ours",
    "opencv": "OpenCV seeking",
    "packets": "the same packets, decoding alone",
    "sequential": "PyAV, all in order",
    "decord": "decord",
    "torchcodec": "torchcodec",
}


class Worker:
    """A decoder in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, line: str | None = None) -> dict[str, object] | None:
        """Its answer to a path, or to nothing for the first one; None when it has died."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if line is not None:
            try:
                print(line, file=self._process.stdin, flush=True)
            except BrokenPipeError:
                return None
        answer = self._process.stdout.readline()
        return json.loads(answer) if answer.startswith("{") else None


@contextmanager
def worker(tool: str, python: str | Path) -> Iterator[Worker]:
    """A running worker."""
    command = [str(python), str(Path(__file__).with_name("decode_worker.py")), tool]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        yield Worker(process)
        process.kill()


def peers_python() -> Path | None:
    """The Python of an environment that holds the peers, made at the first call; None where it cannot be."""
    folder = CHECKOUT / "work" / "bench" / "venv"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        venv.create(folder, with_pip=True, clear=True)
        done = subprocess.run([python, "-m", "pip", "install", "-q", *PEER_PACKAGES], check=False)
        if done.returncode:
            return None
        (folder / "complete").touch()
    return python


def measure(paths: list[Path], workers: dict[str, Worker]) -> dict[str, list[dict[str, object]]]:
    """For each tool one answer a clip: its median seconds, numbers and digest. Tools take turns in each round."""
    answers: dict[str, list[list[dict[str, object]]]] = {tool: [[] for _ in paths] for tool in workers}
    for tool in workers:
        workers[tool].ask(str(paths[0]))  # warm up
    for _ in range(ROUNDS):
        for place, path in enumerate(paths):
            for tool in workers:
                answer = workers[tool].ask(str(path))
                if answer is not None:
                    answers[tool][place].append(answer)
    return {
        tool: [
            {**given[0], "cpu_s": statistics.median(float(str(answer["cpu_s"])) for answer in given)}
            for given in of_clips
            if given
        ]
        for tool, of_clips in answers.items()
    }


def n_wrong(answers: list[dict[str, object]]) -> int:
    """Frames that are not the ones asked for, by their burnt numbers, over the clips of a set."""
    wrong = 0
    for answer, n_frames in zip(answers, LENGTHS, strict=True):
        asked = np.linspace(0, n_frames - 1, 16).astype(int)
        numbers = answer["numbers"]
        assert isinstance(numbers, list)
        wrong += sum(given != wanted for given, wanted in zip(numbers, asked, strict=True))
    return wrong


def run() -> Table:
    """Measure all sets."""
    python = peers_python()
    pythons: dict[str, str | Path | None] = {tool: python if tool in PEERS else sys.executable for tool in COLUMNS}
    rows: list[list[Cell]] = []
    notes: list[str] = []
    n_same = n_clips = 0
    with ExitStack() as stack:
        workers = {}
        for tool, interpreter in pythons.items():
            started = stack.enter_context(worker(tool, interpreter)) if interpreter else None
            if started is None or started.ask() is None:
                notes.append(f"{COLUMNS[tool]} does not install or start here (torchcodec needs FFmpeg's libraries).")
                continue
            workers[tool] = started
        for name, kind in SETS.items():
            found = measure(clips(kind), workers)
            rows.append(_row(name, found))
            pairs = list(zip(found["ours"], found["sequential"], strict=True))
            n_same += sum(ours["digest"] == truth["digest"] for ours, truth in pairs)
            n_clips += len(pairs)
    notes.append(f"Ours is bit-identical to the full decode in {n_same} of {n_clips} clips.")
    notes.append("torchcodec gives frames of full size; the others scale to 256x160, decoding alone to nothing.")
    return Table(
        title="Sixteen frames of a clip",
        about=(
            "CPU seconds (user and system) for sixteen evenly spaced frames of a clip at 160x256, mean over clips of "
            f"10, 16 and 30 s at 30 fps, each the median of {ROUNDS} rounds in which the decoders take turns; one "
            "thread where it can be chosen, imports not counted. In brackets: frames of 48 that are not the ones "
            "asked for, read from numbers burnt into them. The clips are game recordings and a film, shorter than "
            "the clips and so played forth and back under a slow pan and zoom, encoded anew (`tests/bench/corpus.py`)."
        ),
        columns=["clips", *COLUMNS.values(), "OpenCV / ours", "ours / decoding alone"],
        rows=rows,
        notes=notes,
        versions={package.split("==")[0]: package.split("==")[1] for package in PEERS.values()} if python else {},
    )


def _row(name: str, found: dict[str, list[dict[str, object]]]) -> list[Cell]:
    means: dict[str, float] = {}
    row: list[Cell] = [name]
    for tool in COLUMNS:
        answers = found.get(tool, [])
        if len(answers) != len(LENGTHS):
            row.append("fails" if tool in found else None)
            continue
        means[tool] = statistics.mean(float(str(answer["cpu_s"])) for answer in answers)
        row.append(f"{means[tool]:.3f}" + ("" if tool == "packets" else f" ({n_wrong(answers)})"))
    for over, under in (("opencv", "ours"), ("ours", "packets")):
        row.append(f"{means[over] / means[under]:.2f}" if over in means and under in means else None)
    return row
