"""A job on a real SLURM has the GPUs that it was given and no other; a run inside an allocation shares it out."""

import subprocess
from pathlib import Path

import pytest

from tests.faults import tally
from tests.gpu_events import wrongly_shared
from tests.gpu_jobs.place import GpuPlace
from tests.slurm.cluster import IMPATIENT, Cluster
from tests.snakemake_run import ROOT

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(300)]


def run(place: GpuPlace, cluster: Cluster, *before: str, arguments: tuple[str, ...]) -> str:
    environment = place.environment | {name: cluster.environment[name] for name in ("SLURM_CONF", "PATH")}
    ran = subprocess.run(
        [*before, *place.command(*arguments)], cwd=place.folder, env=environment, text=True, timeout=240,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout
    return ran.stdout


def through_slurm(place: GpuPlace, cluster: Cluster) -> None:
    """Run it as `--profile slurm` does, on the cluster's partition with GPUs."""
    run(place, cluster, arguments=("--profile", str(ROOT / "profiles" / "slurm"), *IMPATIENT))


def test_jobs_at_once_have_a_gpu_each_and_take_no_lock(cluster: Cluster, tmp_path: Path) -> None:
    # The places of the configuration and the variable of the submitting shell are those of another machine.
    variables = {"CUDA_VISIBLE_DEVICES": "3", "POLYMILL_GPU_TOGETHER": "4"}
    place = GpuPlace(tmp_path, {f"job{number}": (1, 1) for number in range(4)}, gpus=[0, 9], variables=variables)
    through_slurm(place, cluster)
    told = [place.told(job) for job in place.jobs]
    assert sorted(one["sees"] for one in told) == [[0], [1], [2], [3]]
    for one in told:
        assert one["holds"] == one["sees"] == [int(one["named"])]
        assert not one["locks"]
    assert wrongly_shared(place.held()) == 0
    assert not (tmp_path / "locks").exists()
    tally.tell("SLURM: four jobs of one GPU at once, sharing a device", systems="all", tried=4)


def test_a_job_sees_as_many_gpus_as_it_asked_for_and_one_that_asked_for_none_sees_none(
    cluster: Cluster, tmp_path: Path
) -> None:
    place = GpuPlace(tmp_path, {"two": (2, 1), "none": (0, 1)}, variables={"CUDA_VISIBLE_DEVICES": "0"})
    through_slurm(place, cluster)
    two, none = place.told("two"), place.told("none")
    assert len(two["sees"]) == 2
    assert two["holds"] == two["sees"] == [int(place) for place in two["named"].split(",")]
    assert (none["named"], none["sees"]) == ("", [])


@pytest.mark.parametrize("gpus", [1, 2])
def test_a_run_inside_an_allocation_shares_out_what_slurm_gave_it(gpus: int, cluster: Cluster, tmp_path: Path) -> None:
    place = GpuPlace(tmp_path, {f"job{number}": (1, 1) for number in range(6)})
    local = ("--profile", str(ROOT / "profiles" / "local_gpu"), "-j", "8", "--resources", "gpu=6")
    run(place, cluster, "srun", "-n1", "-c4", f"--gres=gpu:{gpus}", arguments=local)
    assert len(place.held()) == 6
    assert len({time.device for time in place.held()}) == gpus
    assert wrongly_shared(place.held()) == 0
    assert all(place.told(job)["locks"] for job in place.jobs)


@pytest.mark.parametrize("before", [("srun", "-n1"), ("salloc", "-n1", "--gres=gpu:1")])
def test_a_run_inside_an_allocation_that_names_no_gpus_has_none_and_says_so(
    before: tuple[str, ...], cluster: Cluster, tmp_path: Path
) -> None:
    place = GpuPlace(tmp_path, {"none": (0, 1)}, variables={"CUDA_VISIBLE_DEVICES": "0,1"})
    local = ("--profile", str(ROOT / "profiles" / "local_gpu"), "-j", "2")
    printed = run(place, cluster, *before, arguments=local)
    assert printed.count("SLURM does not say that this allocation has GPUs") == 1
    assert (place.told("none")["named"], place.told("none")["sees"]) == ("", [])
