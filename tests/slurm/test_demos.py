"""The demos through `--profile slurm` on a real one-node SLURM: what a local run makes, byte for byte."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.cnclip_place import CnclipPlace
from tests.faults.tally import tell
from tests.fgclip_place import FgclipPlace
from tests.pose_place import PosePlace
from tests.search_place import SearchPlace
from tests.slurm.cluster import IMPATIENT, PATIENT, Cluster, submitted
from tests.snakemake_run import ROOT, Place, contents, finish, leftovers
from tests.speaker_place import SpeakerPlace, make_recording

DEMO = ROOT / "tests" / "data" / "demo" / "clip4mc"

BESIDE_LOCAL = "SLURM: a whole run through the scheduler, beside a local one"

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(300)]


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


def test_the_demo_through_slurm_is_byte_identical_to_a_local_run(cluster: Cluster, tmp_path: Path) -> None:
    local, remote = demo_folder(tmp_path / "local"), demo_folder(tmp_path / "remote")
    snakemake(local, "-c2", environment=cluster.environment)
    printed = snakemake(remote, "--profile", "slurm", *IMPATIENT, environment=cluster.environment)
    jobs = cluster.accounting(*[job for job, _ in submitted(printed)])
    assert len(jobs) == 4  # each shard once, and nothing else
    assert contents(remote / "results") == contents(local / "results")
    assert leftovers(remote) == []
    assert "Nothing to be done" in snakemake(remote, "--profile", "slurm", "-n", environment=cluster.environment)
    for state, given in jobs.values():
        assert state == "COMPLETED"
        assert "cpu=2" in given
        assert "gres/gpu" not in given
    tell(BESIDE_LOCAL, systems="clip4mc", tried=1)


# What tells times, or when and where something was made.
TIMED = re.compile(
    r"(.*/)?((run|attempts|progress|settings|extraction_stats|[.]materialised)[.]json|(out|params)_.*|.*timings[.]json"
    r"|training_start[.]log|throughput[.]png)|cnclip/(comparison/.*|forms/[^/]+[.]png)"
)


def results(place: Place) -> dict[str, str]:
    """Digest of every result, by path, but of what tells times."""
    found = contents(place.folder / "results", (".state", ".lock", "run.lock", ".snakemake_timestamp", "tensorboard"))
    return {path: digest for path, digest in found.items() if not TIMED.fullmatch(path)}


def small_demo(system: str, folder: Path) -> SpeakerPlace | CnclipPlace | FgclipPlace | SearchPlace:
    """A workplace with a little of what a system works on, and nothing made."""
    if system == "search":
        return SearchPlace.create(folder)
    if system == "speaker":
        return SpeakerPlace.create(folder, (6, 5), n_speakers=2)
    if system == "cnclip":
        here = CnclipPlace.create(folder, plain={})
        here.cnclip = {"export": ["plain"], "package": ["plain"]}
        here.save()
        return here
    return FgclipPlace.create(folder, n_train=8, n_test=4, short={"max_steps": 4, "batch_size": 4, "num_frames": 4})


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("system", ["speaker", "cnclip", "fgclip", "search"])
def test_all_of_a_system_through_slurm_is_byte_identical_to_a_local_run(
    system: str, cluster: Cluster, tmp_path: Path
) -> None:
    local = small_demo(system, tmp_path / "local")
    remote = local.copy(tmp_path / "remote")
    run = cluster.begin(remote, *IMPATIENT)
    local.make(timeout_s=900)
    ran = finish(run, 1200)
    assert ran.code == 0, ran.text
    jobs = cluster.accounting(*[job for job, _ in submitted(ran.text)])
    assert {state for state, _ in jobs.values()} == {"COMPLETED"}
    assert results(remote) == results(local)
    assert leftovers(remote.folder) == []
    assert finish(cluster.begin(remote, "-n")).nothing_to_do
    tell(BESIDE_LOCAL, systems=system, tried=1)


def test_captions_through_slurm_are_posed_as_locally_though_a_job_is_cancelled(
    cluster: Cluster, tmp_path: Path
) -> None:
    captions = ["A person waving", "A person turns, then bows", "A person $HOME"]
    local = PosePlace.create(tmp_path / "local", captions, previews=["turns,_then_bows"])
    remote = local.copy(tmp_path / "remote")
    run = cluster.begin(remote, "pose_all", *PATIENT)
    cancelled = cluster.wait_for_job("pose_generate_shard")
    cluster.tell("scancel", cancelled)
    local.make("pose_all")
    ran = finish(run, 240)
    assert ran.code == 0, ran.text
    jobs = submitted(ran.text)
    rules = ["pose_convert", "pose_generate_shard", "pose_generate_shard", "pose_render_shard", "pose_text_shard"]
    assert sorted(rule for _, rule in jobs) == rules
    told = cluster.accounting(*[job for job, _ in jobs])
    for job, rule in jobs:
        state, given = told[job]
        assert (state == "COMPLETED") == (job != cancelled)
        assert ("gres/gpu=1" in given) == (rule == "pose_generate_shard")
    assert contents(remote.dataset) == contents(local.dataset)
    assert leftovers(remote.folder) == []
    again = finish(cluster.begin(remote, "pose_all", "-n"))
    assert again.nothing_to_do, again.text
    tell("SLURM: scancel from outside", systems="pose", tried=1)


@pytest.mark.slow
def test_one_sample_by_its_path_is_made_whatever_its_name_holds(cluster: Cluster, tmp_path: Path) -> None:
    odd = "a, $HOME `id` 'x' \"y\" z"
    recordings = SpeakerPlace.create(tmp_path / "recordings", (1,))
    make_recording(recordings.folder / "audio" / f"{odd}.wav", voice=0, seed=1)
    captions = PosePlace.create(tmp_path / "captions", [odd])
    for place, file in (
        (recordings, recordings.dataset / "embeddings" / f"{odd}.pkl"),
        (captions, captions.pose("a,_$HOME_`id`_'x'_y_z", "npy")),
    ):
        ran = finish(cluster.begin(place, str(file.relative_to(place.folder))))
        assert ran.code == 0, ran.text
        assert file.is_file()
        assert leftovers(place.folder) == []


@pytest.mark.slow
def test_shards_sent_as_one_array_are_byte_identical_to_a_local_run(cluster: Cluster, tmp_path: Path) -> None:
    local, remote = demo_folder(tmp_path / "local"), demo_folder(tmp_path / "remote")
    snakemake(local, "-c2", environment=cluster.environment)
    array = ["--profile", "slurm", *IMPATIENT, "--slurm-array-jobs", "all"]
    printed = snakemake(remote, *array, environment=cluster.environment)
    [number] = re.findall(r"SLURM job ID (\d+)[.] The individual task IDs are 1-4", printed)
    tasks = cluster.accounting(number)
    assert sorted(tasks) == [f"{number}_{task}" for task in range(1, 5)]
    assert all(state == "COMPLETED" and "cpu=2" in given for state, given in tasks.values())
    assert contents(remote / "results") == contents(local / "results")
    assert leftovers(remote) == []
    tell("SLURM: shards sent as one job array", systems="clip4mc", tried=1)
