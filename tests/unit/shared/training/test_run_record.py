import json
from pathlib import Path

from scripts.shared.training.run_folder import attempts_file
from scripts.shared.training.run_record import Attempts, PeakMemory, peak_memory, read_attempts, write_record


def attempt(run_dir: Path, *, from_step: int, to_step: int, seconds: float, identity: str = "mine") -> Attempts:
    times = iter([0.0, 0.0, seconds])
    made = Attempts(run_dir, identity=identity, from_step=from_step, device="toy", clock=lambda: next(times))
    made.step(to_step, peak=PeakMemory(1000 * to_step, 10), last=True)
    return made


def test_the_record_adds_up_the_attempts(tmp_path: Path) -> None:
    attempt(tmp_path, from_step=0, to_step=30, seconds=12.5)
    last = attempt(tmp_path, from_step=20, to_step=25, seconds=2.5)
    path = write_record(tmp_path, last, {"steps": 25, "final_loss": 0.5})
    record = json.loads(path.read_text())
    assert path == tmp_path / "run.json"
    assert (record["time_s"], record["peak_host_bytes"], record["peak_gpu_bytes"]) == (15, 30000, 10)
    assert (record["steps"], record["final_loss"], record["device"]) == (25, 0.5, "toy")
    assert [(seen["from_step"], seen["to_step"]) for seen in record["attempts"]] == [(0, 30), (20, 25)]


def test_attempts_at_another_training_are_forgotten(tmp_path: Path) -> None:
    attempt(tmp_path, from_step=0, to_step=30, seconds=1, identity="other")
    attempt(tmp_path, from_step=20, to_step=25, seconds=1)
    assert [seen["identity"] for seen in read_attempts(attempts_file(tmp_path))] == ["mine"]


def test_a_training_that_begins_anew_has_one_attempt(tmp_path: Path) -> None:
    attempt(tmp_path, from_step=0, to_step=30, seconds=1)
    attempt(tmp_path, from_step=0, to_step=5, seconds=1)
    assert len(read_attempts(attempts_file(tmp_path))) == 1


def test_what_a_kill_leaves_is_at_most_twenty_seconds_old(tmp_path: Path) -> None:
    now = [0.0]
    made = Attempts(tmp_path, identity="mine", from_step=0, device="toy", clock=lambda: now[0])
    for second in range(60):
        now[0] = float(second)
        made.step(second)
        assert second - read_attempts(attempts_file(tmp_path))[0]["time_s"] < 20


def test_a_damaged_file_is_no_history(tmp_path: Path) -> None:
    attempts_file(tmp_path).write_text("[{")
    assert read_attempts(attempts_file(tmp_path)) == []
    attempt(tmp_path, from_step=3, to_step=5, seconds=1)
    assert len(read_attempts(attempts_file(tmp_path))) == 1


def test_memory_is_told_in_bytes() -> None:
    assert 1 << 22 < peak_memory().host_bytes < 1 << 40
