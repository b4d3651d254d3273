"""What a run on a cluster asks it for; `tests/slurm/` has a real one."""

import re
from pathlib import Path

import pytest

from tests.snakemake_run import ROOT, Workplace


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    here = Workplace.create(tmp_path / "place", 2)
    (here.folder / "slurm").symlink_to(ROOT / "profiles" / "slurm")
    return here


def resources(text: str, job: str) -> dict[str, str]:
    """What a dry run says that the job of a rule would ask for."""
    block = re.search(rf"^rule {job}:\n(?: {{4}}.*\n)*? {{4}}resources: (.*)\n", text, re.MULTILINE)
    assert block, text
    return dict(re.findall(r"(\w+)=([^,]*)", block[1]))


def test_jobs_ask_for_the_account_and_partition_of_the_configuration_where_no_profile_says_another(
    place: Workplace,
) -> None:
    place.top["cluster"] = {"account": "lab", "partition": "day,night"}
    place.save()
    ran = place.run("-n", "--profile", "slurm")
    assert ran.code == 0, ran.text
    assert "slurm_account=lab, slurm_partition=day,night" in ran.text
    asked = resources(ran.text, "clip4mc_frames")
    assert (asked["mem_mb"], asked["runtime"]) == ("750", "240")
    theirs = place.run("-n", "--profile", "slurm", "--set-resources", "clip4mc_frames:slurm_partition=mine")
    assert resources(theirs.text, "clip4mc_frames")["slurm_partition"] == "mine"


def test_a_partition_that_can_be_none_is_refused_before_anything_is_made(place: Workplace) -> None:
    place.top["cluster"] = {"partition": "a; rm -rf b", "gpus": "x"}
    place.save()
    ran = place.run("-n", "--profile", "slurm")
    assert ran.code != 0
    assert "config.yaml: cluster.partition: 'a; rm -rf b' does not match" in ran.text
    assert "cluster: no option 'gpus'; options are account, gpu_partition, partition" in ran.text
