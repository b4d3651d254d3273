"""Jobs on a real one-node SLURM that are asked to end."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.slurm.cluster import IMPATIENT, Cluster
from tests.slurm.test_demos import demo_folder, snakemake
from tests.snakemake_run import ROOT

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(300)]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["make stop", "scancel"])
def test_a_job_that_is_asked_to_end_ends_after_the_samples_in_hand(how: str, cluster: Cluster, tmp_path: Path) -> None:
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
        cwd=folder,
        env={**cluster.environment, "PYTHONPATH": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + 60
        while not list(folder.glob("results/clip4mc/train/sample_*")):
            assert time.monotonic() < end
            time.sleep(0.1)
        if how == "scancel":
            subprocess.run(["scancel", "--user", str(os.getuid())], env=cluster.environment, check=True)
        else:
            stop = [sys.executable, "-m", "scripts.upkeep.run_control", "stop", "--configfile", "config.yaml"]
            subprocess.run(
                stop, cwd=folder, env={**cluster.environment, "PYTHONPATH": str(ROOT)}, check=True, timeout=120
            )
        assert run.wait(120) != 0
    finally:
        run.kill()
    assert " stopped by " in (folder / "logs" / "clip4mc_frames" / "train" / "00000.log").read_text()
    made = {path.name: path.stat().st_mtime_ns for path in folder.glob("results/clip4mc/train/sample_*")}
    assert 1 <= len(made) < 10
    assert not (folder / "results" / "clip4mc" / "train" / ".state" / "stop").exists()
    snakemake(folder, "-c2", environment=cluster.environment)
    assert (folder / "results" / "clip4mc" / "train" / "failures.csv").read_text() == "key,source,error,message\n"
    now = {path.name: path.stat().st_mtime_ns for path in folder.glob("results/clip4mc/train/sample_*")}
    assert len(now) == 10
    assert made.items() <= now.items()
