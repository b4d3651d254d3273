"""The demo through `--profile slurm` on a real one-node SLURM; see README.md beside this file."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cnclip_place import CnclipPlace
from tests.pose_place import PosePlace
from tests.snakemake_run import BIN, ROOT, contents, finish, leftovers
from tests.speaker_place import SpeakerPlace

HERE = Path(__file__).parent
DEMO = ROOT / "tests" / "data" / "demo" / "clip4mc"
# Asked more often than a real site would like: these jobs last seconds.
IMPATIENT = ["--slurm-init-seconds-before-status-checks", "3", "--seconds-between-status-checks", "2"]
# Each question that finds no job ended puts the next one off by ten seconds more, so the first comes when one may have.
PATIENT = ["--slurm-init-seconds-before-status-checks", "11"]

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(300)]


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


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A running SLURM of 8 CPUs and 4 fake GPUs: the environment that points at it."""
    if why := missing_tool():
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("cluster")
    subprocess.run([HERE / "start.sh", folder, "--gpus", "4", "--cpus", "8", "--mem", "16000"], check=True, timeout=120)
    try:
        yield {
            **os.environ,
            "SLURM_CONF": str(folder / "etc" / "slurm.conf"),
            "PATH": os.pathsep.join([str(BIN), str(folder / "bin"), os.environ["PATH"]]),
        }
    finally:
        subprocess.run([HERE / "stop.sh", folder], check=True, timeout=120)


def demo_folder(folder: Path) -> Path:
    """A folder with a configuration of the demo, and the profiles' names as in a clone."""
    folder.mkdir()
    datasets = {
        name: {"pairs": str(DEMO / f"{name}_pairs.json"), "clips_dir": str(DEMO / "clips"), "paths": "relative"}
        for name in ("train", "test")
    }
    config = {"clip4mc": {"shard_size": 4, "workers": 2, "datasets": datasets}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "slurm").symlink_to(ROOT / "profiles" / "slurm")
    return folder


def snakemake(folder: Path, *arguments: str, environment: dict[str, str]) -> str:
    command = ["snakemake", "-s", str(ROOT / "Snakefile"), "all_clip4mc", *arguments, "--configfile", "config.yaml"]
    ran = subprocess.run(
        command, cwd=folder, env=environment, text=True, timeout=240, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert ran.returncode == 0, ran.stdout
    return ran.stdout


def test_the_demo_through_slurm_is_byte_identical_to_a_local_run(cluster: dict[str, str], tmp_path: Path) -> None:
    local, remote = demo_folder(tmp_path / "local"), demo_folder(tmp_path / "remote")
    snakemake(local, "-c2", environment=cluster)
    printed = snakemake(remote, "--profile", "slurm", *IMPATIENT, environment=cluster)
    assert printed.count("has been submitted with SLURM jobid") == 4  # each shard once, and nothing else
    assert contents(remote / "results") == contents(local / "results")
    assert leftovers(remote) == []
    assert "Nothing to be done" in snakemake(remote, "--profile", "slurm", "-n", environment=cluster)
    # With their CPUs and no GPU.
    accounting = ["sacct", "-X", "-n", "-P", "-o", "State,AllocTRES"]
    jobs = subprocess.run(accounting, env=cluster, text=True, capture_output=True, check=True).stdout.splitlines()
    assert len(jobs) == 4
    for job in jobs:
        assert "COMPLETED" in job
        assert "cpu=2" in job
        assert "gres/gpu" not in job


@pytest.mark.slow
def test_recordings_through_slurm_are_embedded_as_locally(cluster: dict[str, str], tmp_path: Path) -> None:
    local = SpeakerPlace.create(tmp_path / "local", (6, 5), n_speakers=2)
    remote = local.copy(tmp_path / "remote")
    (remote.folder / "slurm").symlink_to(ROOT / "profiles" / "slurm")
    local.make()
    ran = finish(remote.start("--profile", "slurm", *IMPATIENT, environment=cluster), 240)
    assert ran.code == 0, ran.text
    without = (".state", "extraction_stats.json", "throughput.png", ".materialised.json")
    assert contents(remote.dataset, without) == contents(local.dataset, without)
    assert leftovers(remote.folder) == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_training_through_slurm_ends_with_the_model_of_a_local_one(cluster: dict[str, str], tmp_path: Path) -> None:
    local = CnclipPlace.create(tmp_path / "local", plain={})
    remote = local.copy(tmp_path / "remote")
    (remote.folder / "slurm").symlink_to(ROOT / "profiles" / "slurm")
    run = remote.start("cnclip_train", "--profile", "slurm", *IMPATIENT, environment=cluster)
    local.make("cnclip_train", timeout_s=500)
    ran = finish(run, 500)
    assert ran.code == 0, ran.text
    job = re.search(r"SLURM jobid (\d+) \(log: .*/rule_cnclip_train_run/", ran.text)
    assert job, ran.text
    accounting = ["sacct", "-X", "-n", "-P", "-o", "State,AllocTRES", "-j", job[1]]
    told = subprocess.run(accounting, env=cluster, text=True, capture_output=True, check=True).stdout
    assert "COMPLETED" in told
    assert "gres/gpu=1" in told  # a GPU for each process
    for folder in ("data/shop", "runs/plain/model"):
        made = [contents(place.results / folder, (".snakemake_timestamp",)) for place in (local, remote)]
        assert made[0] == made[1], folder
    assert leftovers(remote.folder) == []


def wait_for_job(rule: str, cluster: dict[str, str]) -> str:
    """The number of a running job of a rule, as soon as there is one."""
    end = time.monotonic() + 100
    while time.monotonic() < end:
        queue = ["squeue", "-h", "-t", "RUNNING", "-o", "%i %k"]
        jobs = subprocess.run(queue, env=cluster, text=True, capture_output=True, check=True).stdout.splitlines()
        for job in jobs:
            if f"rule_{rule}_" in job:
                return job.split()[0]
        time.sleep(0.2)
    raise AssertionError(f"no job of {rule} came to run")


def test_captions_through_slurm_are_posed_as_locally_though_a_job_is_cancelled(
    cluster: dict[str, str], tmp_path: Path
) -> None:
    captions = ["A person waving", "A person turns, then bows", "A person $HOME"]
    local = PosePlace.create(tmp_path / "local", captions, previews=["turns,_then_bows"])
    remote = local.copy(tmp_path / "remote")
    (remote.folder / "slurm").symlink_to(ROOT / "profiles" / "slurm")
    run = remote.start("pose_all", "--profile", "slurm", *PATIENT, environment=cluster)
    cancelled = wait_for_job("pose_generate_shard", cluster)
    subprocess.run(["scancel", cancelled], env=cluster, check=True)
    local.make("pose_all")
    ran = finish(run, 240)
    assert ran.code == 0, ran.text
    submitted = re.findall(r"SLURM jobid (\d+) \(log: .*/rule_(\w+)/", ran.text)
    rules = ["pose_convert", "pose_generate_shard", "pose_generate_shard", "pose_render_shard", "pose_text_shard"]
    assert sorted(rule for _, rule in submitted) == rules
    accounting = ["sacct", "-X", "-n", "-P", "-o", "JobID,State,AllocTRES", "-j", ",".join(job for job, _ in submitted)]
    jobs = subprocess.run(accounting, env=cluster, text=True, capture_output=True, check=True).stdout.splitlines()
    states = {job.split("|")[0]: job for job in jobs}
    for job, rule in submitted:
        assert ("COMPLETED" in states[job]) == (job != cancelled)
        assert ("gres/gpu=1" in states[job]) == (rule == "pose_generate_shard")
    assert contents(remote.dataset) == contents(local.dataset)
    assert leftovers(remote.folder) == []
    again = finish(remote.start("pose_all", "-n", "--profile", "slurm", environment=cluster))
    assert again.nothing_to_do, again.text


@pytest.mark.slow
@pytest.mark.parametrize("how", ["make stop", "scancel"])
def test_a_job_that_is_asked_to_end_ends_after_the_samples_in_hand(
    how: str, cluster: dict[str, str], tmp_path: Path
) -> None:
    folder = demo_folder(tmp_path / "run")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    del config["clip4mc"]["datasets"]["test"]
    (folder / "config.yaml").write_text(
        yaml.safe_dump({"clip4mc": {**config["clip4mc"], "shard_size": 16, "workers": 1}})
    )
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, time\n"
        "if 'worker_process' in ' '.join(sys.orig_argv):\n"
        "    from scripts.shared import sample_task\n"
        "    made = sample_task.make_files\n"
        "    sample_task.make_files = lambda *task: (time.sleep(1), made(*task))[1]\n"
    )
    command = ["snakemake", "-s", str(ROOT / "Snakefile"), "all_clip4mc", "--configfile", "config.yaml"]
    run = subprocess.Popen(
        [*command, "--profile", "slurm", *IMPATIENT, "--retries", "0"],
        cwd=folder, env={**cluster, "PYTHONPATH": str(tmp_path)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        end = time.monotonic() + 60
        while not list(folder.glob("results/clip4mc/train/sample_*")):
            assert time.monotonic() < end
            time.sleep(0.1)
        if how == "scancel":
            subprocess.run(["scancel", "--user", str(os.getuid())], env=cluster, check=True)
        else:
            stop = [sys.executable, "-m", "scripts.upkeep.run_control", "stop", "--configfile", "config.yaml"]
            subprocess.run(stop, cwd=folder, env={**cluster, "PYTHONPATH": str(ROOT)}, check=True, timeout=120)
        assert run.wait(120) != 0
    finally:
        run.kill()
    assert " stopped by " in (folder / "logs" / "clip4mc_frames" / "train" / "00000.log").read_text()
    made = {path.name: path.stat().st_mtime_ns for path in folder.glob("results/clip4mc/train/sample_*")}
    assert 1 <= len(made) < 10
    assert not (folder / "results" / "clip4mc" / "train" / ".state" / "stop").exists()
    snakemake(folder, "-c2", environment=cluster)
    assert (folder / "results" / "clip4mc" / "train" / "failures.csv").read_text() == "key,source,error,message\n"
    now = {path.name: path.stat().st_mtime_ns for path in folder.glob("results/clip4mc/train/sample_*")}
    assert len(now) == 10
    assert made.items() <= now.items()
