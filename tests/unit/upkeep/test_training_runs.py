"""What is said, checked and kept of training runs."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.shared.config import load_config
from scripts.shared.errors import ConfigError, JobError, PlanningError
from scripts.shared.locks import LockFile
from scripts.shared.planning.plans import PlanMode
from scripts.shared.training import run_folder
from scripts.shared.training.processes import Processes
from scripts.shared.training.progress_file import ProgressSeen
from scripts.shared.training.run_record import Attempts, write_record
from scripts.systems import SYSTEMS, System
from scripts.upkeep import run_status
from scripts.upkeep.asking import Upkeep
from scripts.upkeep.backup_run import RunToBackUp, back_up_run
from scripts.upkeep.gpus import Gpus
from scripts.upkeep.machine import Machine
from scripts.upkeep.request_file import read_request
from scripts.upkeep.run_status import RunStatus, read_runs
from scripts.upkeep.status_screen import render
from scripts.upkeep.verify_run import RunToVerify, verify_run
from tests.snakemake_run import everything
from tests.toy_training import STEPS, end_state, train

NOW = 1_795_264_686.0
SEEN = ProgressSeen(epoch=2, epochs=3, step=431, steps=735, loss=1.2345678, lr=3.1e-5, eta_s=760.0, at=NOW - 4)


@pytest.fixture(scope="module")
def _trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that ended, with two checkpoints and a model of two files."""
    run_dir = tmp_path_factory.mktemp("trained") / "tiny"
    train(run_dir, Processes.single())
    model = run_folder.model_dir(run_dir)
    (model / "tokens").mkdir(parents=True)
    (model / "weights.bin").write_bytes(b"weights" * 1000)
    (model / "tokens" / "vocab.txt").write_text("a\nb\n")
    write_record(run_dir, Attempts(run_dir, identity="mine", from_step=0, device="toy"), {"steps": STEPS})
    (model / ".snakemake_timestamp").touch()
    return run_dir


@pytest.fixture
def run_dir(_trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(_trained, tmp_path / "results" / "toy" / "runs" / "tiny"))


def verify(run_dir: Path) -> Mapping[str, object]:
    return verify_run(RunToVerify("toy run tiny", "toy", str(run_dir)))


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def test_a_sound_run_passes(run_dir: Path) -> None:
    before = everything(run_dir)
    assert verify(run_dir) == {"ended": True, "checkpoints": ["step_10.pt", "step_12.pt"], "model_files": 2}
    assert everything(run_dir) == before


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("model/weights.bin", r"weights\.bin does not hold what was written \(mend: remove .*model; all_toy makes it"),
        ("checkpoints/step_12.pt", r"step_12\.pt: damaged .*mend: remove it; all_toy goes on from the one before"),
        ("metrics.jsonl", r"metrics\.jsonl: line 1 is no row"),
        ("run.json", r"run\.json: no record that can be read"),
    ],
)
def test_damage_is_named_with_its_mend(file: str, words: str, run_dir: Path) -> None:
    path = run_dir / file
    flip(path, path.stat().st_size // 2 if "/" in file else 0)
    with pytest.raises(JobError, match=f"toy run tiny: 1 problems: .*{words}.*Nothing was changed"):
        verify(run_dir)


def test_a_file_too_few_and_one_too_many_are_named(run_dir: Path) -> None:
    (run_dir / "model" / "weights.bin").rename(run_dir / "model" / "weights.old")
    with pytest.raises(JobError, match=r"weights\.bin is not there.*weights\.old is no file of the model"):
        verify(run_dir)


def test_a_run_that_has_not_ended_has_no_model_to_verify(run_dir: Path) -> None:
    run_folder.record_file(run_dir).unlink()
    assert verify(run_dir)["ended"] is False


def back_up(run_dir: Path, disk: Path, keep: int = 5) -> Path:
    disk.mkdir(exist_ok=True)
    task = RunToBackUp("toy run tiny", str(run_dir), str(disk), str(disk / "toy" / "runs" / "tiny"), keep)
    return Path(back_up_run(task)["snapshot"])


def snapshots(disk: Path) -> list[str]:
    return sorted(path.name for path in (disk / "toy" / "runs" / "tiny").iterdir() if path.name != ".lock")


def test_a_snapshot_brings_a_run_back_and_it_goes_on(run_dir: Path, tmp_path: Path) -> None:
    end = end_state(run_dir)
    snapshot = back_up(run_dir, tmp_path / "disk")
    shutil.rmtree(run_dir)
    shutil.copytree(snapshot, run_dir)
    assert verify(run_dir)["model_files"] == 2
    (run_dir / "checkpoints" / "step_12.pt").unlink()
    train(run_dir, Processes.single())
    assert end_state(run_dir) == end


def test_a_snapshot_keeps_when_a_folder_was_made_and_nothing_else_that_is_hidden(run_dir: Path, tmp_path: Path) -> None:
    made_at = run_dir / "model" / ".snakemake_timestamp"
    made_at.touch()
    os.utime(made_at, ns=(10**18, 10**18))
    (run_dir / ".stop").touch()
    snapshot = back_up(run_dir, tmp_path / "disk")
    hidden = [path for path in snapshot.rglob(".*") if path.is_file()]
    assert hidden == [snapshot / "model" / ".snakemake_timestamp"]
    assert hidden[0].stat().st_mtime_ns == 10**18


def test_what_did_not_change_is_a_link_to_the_snapshot_before(run_dir: Path, tmp_path: Path) -> None:
    first = back_up(run_dir, tmp_path / "disk")
    (run_dir / "metrics.jsonl").write_text("")
    second = back_up(run_dir, tmp_path / "disk")
    assert (first / "model/weights.bin").stat().st_ino == (second / "model/weights.bin").stat().st_ino
    assert (second / "metrics.jsonl").read_text() == ""
    assert (first / "metrics.jsonl").read_text() != ""


def test_as_many_snapshots_are_kept_as_asked_for(run_dir: Path, tmp_path: Path) -> None:
    made = [back_up(run_dir, tmp_path / "disk", keep=2).name for _ in range(4)]
    assert snapshots(tmp_path / "disk") == made[-2:]


@pytest.mark.parametrize("file", ["model/weights.bin", "checkpoints"])
def test_a_damaged_run_pushes_no_good_snapshot_out(file: str, run_dir: Path, tmp_path: Path) -> None:
    good = back_up(run_dir, tmp_path / "disk", keep=1)
    for path in (run_dir / file).glob("*.pt") if file == "checkpoints" else [run_dir / file]:
        path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(JobError, match=r"no snapshot was made, earlier ones are kept"):
        back_up(run_dir, tmp_path / "disk", keep=1)
    assert snapshots(tmp_path / "disk") == [good.name]


def test_one_damaged_checkpoint_is_left_out(run_dir: Path, tmp_path: Path) -> None:
    path = run_dir / "checkpoints" / "step_12.pt"
    flip(path, path.stat().st_size // 2)
    snapshot = back_up(run_dir, tmp_path / "disk")
    assert [path.name for path in (snapshot / "checkpoints").iterdir()] == ["step_10.pt"]


def test_a_backup_that_was_killed_leaves_nothing_that_passes_for_whole(run_dir: Path, tmp_path: Path) -> None:
    unfinished = tmp_path / "disk" / "toy" / "runs" / "tiny" / ".unfinished-2020-01-01T00-00-00.000Z"
    (unfinished / "model").mkdir(parents=True)
    snapshot = back_up(run_dir, tmp_path / "disk")
    assert snapshots(tmp_path / "disk") == [snapshot.name]


def screen(run: RunStatus) -> list[str]:
    return render([], Machine(1, 2, 3, 4), [], Gpus(), now=NOW, colour=False, runs=[run]).splitlines()[2:-2]


def test_a_training_is_told_by_its_epoch_step_loss_rate_and_time(run_dir: Path) -> None:
    assert screen(RunStatus("cnclip run kl", run_dir, "running", SEEN)) == [
        "cnclip run kl: running",
        "  [###########.........]  58.6 %  epoch 2 of 3, step 431 of 735",
        "  loss 1.235, learning rate 3.1e-05, 13 min left, told 4 s ago",
        "",
    ]
    assert screen(RunStatus("cnclip run kl", run_dir, "complete", replace(SEEN, loss=None), time_s=4000))[2] == (
        "  loss no number, learning rate 3.1e-05, trained for 1 h 7 min"
    )


@pytest.fixture
def toy_system(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> System:
    """A stand-in in the place of cnclip: it trains `tiny`, and `other` that was never begun."""
    folders = {"tiny": run_dir, "other": run_dir.with_name("other")}
    system = System(stages=lambda *_: (), runs=lambda _: folders, has_samples=False)
    monkeypatch.setitem(SYSTEMS, "cnclip", system)
    return system


def test_the_state_of_a_run_is_what_its_folder_tells(
    toy_system: System, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config({}, lambda _: "my.yaml")

    def states() -> list[str]:
        return [run.state for run in read_runs(config, now=NOW)]

    assert states() == ["complete", "never begun"]
    lock = LockFile(run_folder.lock_file(run_dir))
    lock.acquire(wait=False)
    assert states() == ["running", "never begun"]
    monkeypatch.setattr(run_status, "is_stopped", lambda _pid: True)
    assert states() == ["paused", "never begun"]
    lock.release()
    run_folder.record_file(run_dir).unlink()
    assert states() == ["not running", "never begun"]
    seen = read_runs(config, now=NOW)[0].progress
    assert seen is not None
    assert (seen.step, seen.steps) == (STEPS, STEPS)


def upkeep(tmp_path: Path, **options: str) -> Upkeep:
    places = {"results_dir": str(tmp_path / "results"), "work_dir": str(tmp_path / "work")}
    config = load_config({**places, **options}, lambda _: "my.yaml")
    return Upkeep(config, lambda: PlanMode(plans=True, scratch=None, cores=1))


def test_runs_that_were_begun_are_asked_for_where_there_are_no_samples(
    toy_system: System, run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asks = upkeep(tmp_path, backup_dir=str(tmp_path / "disk"))
    assert asks.to_verify("cnclip") == asks.to_back_up("cnclip") == []
    assert asks.runs_to_verify("cnclip") == asks.runs_to_back_up("cnclip") == ["tiny"]
    assert "cnclip run other: never begun: nothing to verify; all_cnclip trains it" in capsys.readouterr().err
    verification = RunToVerify(**read_request(asks.verify_run_request("cnclip", "tiny")))
    assert verification == RunToVerify("cnclip run tiny", "cnclip", str(run_dir))
    backup = RunToBackUp(**read_request(asks.backup_run_request("cnclip", "tiny")))
    assert backup.folder == str(tmp_path / "disk" / "cnclip" / "runs" / "tiny")
    assert backup.keep == load_config({}, lambda _: "")["cnclip"]["backup_keep"]


def test_no_run_at_all_and_no_backup_folder_are_errors(toy_system: System, run_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cnclip: no backup_dir is configured"):
        upkeep(tmp_path).to_back_up("cnclip")
    inside = upkeep(tmp_path, backup_dir=str(tmp_path / "results" / "backup"))
    with pytest.raises(ConfigError, match="lies in it or around it"):
        inside.backup_run_request("cnclip", "tiny")
    shutil.rmtree(run_dir)
    with pytest.raises(PlanningError, match="cnclip: no dataset or run has anything to verify"):
        upkeep(tmp_path).to_verify("cnclip")
