"""The profiles work by bare name from the top of a clone, and none gets in another's way."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
NAMED = ["local_cpu", "local_gpu", "slurm"]
SNAKEFILE = """
rule job:
    output: "done"
    resources: gpu=1
    shell: "echo {workflow.cores} {resources.gpu} > {output}"
"""


def profile(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text(encoding="utf-8"))


def run(folder: Path, *arguments: str) -> str:
    """Run a one-job workflow in a folder that has our profiles, and return what the job was told."""
    shutil.copytree(ROOT / "profiles", folder / "profiles")
    for name in NAMED:
        (folder / name).symlink_to((ROOT / name).readlink())
    (folder / "Snakefile").write_text(SNAKEFILE, encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", *arguments]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return (folder / "done").read_text(encoding="utf-8").strip() if (folder / "done").exists() else ""


@pytest.mark.parametrize("name", NAMED)
def test_a_link_at_the_top_makes_the_bare_name_work(name: str) -> None:
    assert (ROOT / name).readlink() == Path("profiles") / name


def test_default_profile_holds_only_what_no_other_profile_sets() -> None:
    assert set(profile("default")) == {"rerun-incomplete", "keep-going", "printshellcmds", "show-failed-logs"}
    assert not set(profile("default")) & {key for name in NAMED for key in profile(name)}


@pytest.mark.parametrize("name", NAMED)
def test_no_profile_sets_cores_because_that_would_beat_the_command_line(name: str) -> None:
    assert "cores" not in profile(name)


@pytest.mark.parametrize("name", NAMED)
def test_no_value_of_a_profile_is_also_a_path_in_its_folder(name: str) -> None:
    """Snakemake would rewrite such a value to that path."""
    assert [path.name for path in (ROOT / "profiles" / name).iterdir()] == ["config.yaml"]


def test_jobs_of_the_command_line_win_over_the_profile(tmp_path: Path) -> None:
    assert run(tmp_path, "--profile", "local_gpu", "-j", "7", "job") == "7 1"


def test_local_cpu_hands_out_no_gpu(tmp_path: Path) -> None:
    assert run(tmp_path, "--profile", "local_cpu", "-j", "3", "job").endswith(" 0")


def test_slurm_profile_is_understood(tmp_path: Path) -> None:
    assert run(tmp_path, "--profile", "slurm", "-n", "job") == ""
