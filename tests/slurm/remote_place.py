"""A folder whose runs go through SLURM, where one sample waits until the test lets it go and a fault may strike."""

import os
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.slurm.cluster import IMPATIENT, Cluster
from tests.snakemake_run import ROOT, Ran, Workplace, contents, finish, leftovers

# Two shards of three samples; the first sample of the first shard is finished while the second waits.
FIRST, WAITS, SHARDS = "sample_000000_v0", "sample_000001_v1", ("00000", "00001")

_SITE = f"""
import os, sys, time
from pathlib import Path

folder = Path(os.environ.get("POLYMILL_REMOTE", "/nonexistent"))
words = " ".join(sys.orig_argv)


def note(event, key):
    with open(folder / "events", "a") as file:
        file.write(f"{{event}} {{key}} {{os.environ['SLURM_JOB_ID']}}\\n")


if "worker_process" in words and folder.exists():
    from scripts.shared import sample_task

    make_files = sample_task.make_files

    def noted(task, make):
        note("began", task.key)
        while task.key == "{WAITS}" and not (folder / "go").exists():
            time.sleep(0.1)
        made = make_files(task, make)
        note("ended", task.key)
        return made

    sample_task.make_files = noted
"""


def wait_until(holds: Callable[[], bool], timeout_s: float = 100) -> None:
    """Wait until something holds.

    Raises:
        AssertionError: it does not come to hold.
    """
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, "what the test waits for does not come"
        time.sleep(0.1)


@contextmanager
def no_node_free(cluster: Cluster) -> Iterator[None]:
    """Let jobs wait in the queue while the context lasts."""
    node = cluster.tell("sinfo", "-h", "-o", "%N").split()[0]
    cluster.tell("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=test")
    try:
        yield
    finally:
        cluster.tell("scontrol", "update", f"NodeName={node}", "State=RESUME")


def kill_daemon(name: str, cluster: Cluster) -> None:
    """Kill `slurmctld` or `slurmd` of a cluster with SIGKILL."""
    pid = int((cluster.folder / "run" / f"{name}.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


def start_daemon(name: str, cluster: Cluster) -> None:
    """Start `slurmctld` or `slurmd` again."""
    node = ["-N", socket.gethostname().split(".")[0]] if name == "slurmd" else []
    environment = cluster.environment | {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    subprocess.run([name, *node], env=environment, check=True, timeout=60)


@dataclass
class RemotePlace:
    """A workplace on a cluster.

    Attributes:
        place: the folder.
        cluster: where its jobs go.
    """

    place: Workplace
    cluster: Cluster

    @classmethod
    def create(cls, fresh: Workplace, folder: Path, cluster: Cluster, fault: str = "") -> "RemotePlace":
        """A copy of a workplace.

        Args:
            fresh: the workplace, of two shards of three samples.
            folder: where the copy goes.
            cluster: where its jobs are to go.
            fault: Python that every process of its jobs runs first; `folder`, `words` (the command) and `note` are
                given.
        """
        place = fresh.copy(folder)
        (folder / "site").mkdir()
        (folder / "site" / "sitecustomize.py").write_text(_SITE + fault, encoding="utf-8")
        return cls(place, cluster)

    @property
    def folder(self) -> Path:
        return self.place.folder

    @property
    def environment(self) -> dict[str, str]:
        """What its commands are given, and its jobs inherit, beside what points at the cluster."""
        site = f"{self.folder / 'site'}{os.pathsep}{ROOT}"
        return {"PYTHONPATH": site, "POLYMILL_REMOTE": str(self.folder)}

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a run on the cluster."""
        return self.cluster.begin(self.place, *arguments, *IMPATIENT, environment=self.environment)

    def run(self, *arguments: str, timeout_s: float = 240) -> Ran:
        """Run on the cluster, and wait."""
        return finish(self.start(*arguments), timeout_s)

    def go(self) -> None:
        """Let the sample go that waits."""
        (self.folder / "go").touch()

    def events(self, event: str) -> list[str]:
        """Keys of the samples that `began` or `ended`, in order, as often as they did."""
        return [key for key, _ in self._events(event)]

    def wait_for_sample(self, event: str, key: str) -> str:
        """Wait until a sample `began` or `ended`; gives the number of the job in which it first did."""
        wait_until(lambda: key in self.events(event))
        return next(job for each, job in self._events(event) if each == key)

    def _events(self, event: str) -> list[tuple[str, str]]:
        """Keys and jobs."""
        try:
            lines = (self.folder / "events").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        return [(key, job) for what, key, job in map(str.split, lines) if what == event]

    def log(self, shard: str) -> Path:
        """What a shard's job says."""
        return self.folder / "logs" / "clip4mc_frames" / "train" / f"{shard}.log"

    def made_twice(self) -> list[str]:
        """Keys of the samples that were made again after they had been finished."""
        return [key for key, times in Counter(self.events("ended")).items() if times > 1]

    def check_finished(self, finished: Workplace) -> None:
        """All is as a local run makes it, nothing is left over, no sample was made twice, and nothing is to be done."""
        assert contents(self.place.dataset) == contents(finished.dataset)
        assert leftovers(self.folder) == []
        assert self.made_twice() == []
        again = self.run("-n")
        assert again.nothing_to_do, again.text
