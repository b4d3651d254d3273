"""A one-node SLURM of the tests: how it starts, what runs in it, and what it tells of its jobs."""

import os
import re
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.snakemake_run import BIN, ROOT, Place

HERE = Path(__file__).parent
# Asked more often than a real site would like: these jobs last seconds.
IMPATIENT = ["--slurm-init-seconds-before-status-checks", "3", "--seconds-between-status-checks", "2"]
# Each question that finds no job ended puts the next one off by ten seconds more, so the first comes when one may have.
PATIENT = ["--slurm-init-seconds-before-status-checks", "11"]


def missing_tool() -> str:
    """Why no SLURM can be started here; empty where one can."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    for tool in ("slurmctld", "slurmd", "slurmdbd", "munged", "mariadbd"):
        if not any(Path(folder, tool).exists() for folder in path.split(":")):
            return f"{tool} is not installed; tests/slurm/install.sh installs it (root, Debian)"
    try:
        socket.gethostbyname(socket.gethostname())
    except OSError:
        return "this machine's own name does not resolve (/etc/hosts): no SLURM daemon starts"
    if not any(Path("/sys/fs/cgroup").glob("*")):
        return "no cgroup file system is mounted (a bare chroot): slurmd does not start"
    return "" if os.geteuid() == 0 else "starting a SLURM needs root"


@dataclass(frozen=True)
class Cluster:
    """A running SLURM.

    Attributes:
        folder: where its settings, logs and state lie.
    """

    folder: Path

    @classmethod
    def start(cls, folder: Path, *, gpus: int = 4, cpus: int = 8, memory_mb: int = 64000) -> "Cluster":
        """Start one in a folder, with CPUs, memory and fake GPUs as claimed, whatever the machine has."""
        sizes = ["--gpus", str(gpus), "--cpus", str(cpus), "--mem", str(memory_mb)]
        subprocess.run([HERE / "start.sh", folder, *sizes], check=True, timeout=120)
        return cls(folder)

    def stop(self) -> None:
        """End its jobs and daemons."""
        subprocess.run([HERE / "stop.sh", self.folder], check=True, timeout=120)

    @property
    def environment(self) -> dict[str, str]:
        """What points a command at it."""
        return {
            **os.environ,
            "SLURM_CONF": str(self.folder / "etc" / "slurm.conf"),
            "PATH": os.pathsep.join([str(BIN), str(self.folder / "bin"), os.environ["PATH"]]),
        }

    def tell(self, *command: str) -> str:
        """What a command such as `squeue` or `scancel` prints."""
        ran = subprocess.run(command, env=self.environment, text=True, capture_output=True, check=True, timeout=60)
        return ran.stdout

    def begin(
        self, place: Place, *arguments: str, environment: dict[str, str] | None = None
    ) -> "subprocess.Popen[str]":
        """Start `snakemake --profile slurm ARGUMENTS` in a workplace whose jobs are to go here."""
        if not (link := place.folder / "slurm").exists():
            link.symlink_to(ROOT / "profiles" / "slurm")  # found by its bare name, as in a clone
        return place.start(*arguments, "--profile", "slurm", environment=self.environment | (environment or {}))

    def accounting(self, *jobs: str, fields: str = "State,AllocTRES") -> dict[str, list[str]]:
        """What the accounting holds of jobs: job number to the fields named; an array's tasks stand as `7_1`."""
        rows = self.tell("sacct", "-X", "-n", "-P", "-o", f"JobID,{fields}", "-j", ",".join(jobs)).splitlines()
        return {row.split("|")[0]: row.split("|")[1:] for row in rows}

    def wait_for_job(self, rule: str, timeout_s: float = 240) -> str:
        """The number of a running job of a rule, as soon as there is one."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            for job in self.tell("squeue", "-h", "-t", "RUNNING", "-o", "%i %k").splitlines():
                if f"rule_{rule}_" in job:
                    return job.split()[0]
            time.sleep(0.2)
        raise AssertionError(f"no job of {rule} came to run")


def submitted(printed: str) -> list[tuple[str, str]]:
    """Number and rule of each job that a run sent to SLURM, in the order of submission."""
    return re.findall(r"SLURM jobid (\d+) \(log: .*/rule_(\w+)/", printed)
