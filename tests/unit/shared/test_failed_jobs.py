from pathlib import Path

import pytest

from scripts.shared.failed_jobs import FailedJob, tell_failed


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def job(number: int, *logs: str, shard: str = "00001") -> FailedJob:
    return FailedJob(number, "clip4mc_frames", {"dataset": "train", "shard": shard}, logs)


def shown(failed: FailedJob, log: Path, state: str = "FAILED") -> str:
    """How Snakemake shows a job of SLURM that failed."""
    logs = ", ".join([*failed.logs, str(log)])
    return f"""[Sun Nov 22 04:06:31 2026]
Error in rule {failed.rule}:
    message: SLURM-job '{log.stem}' failed, SLURM status is: '{state}'. For further error details see the cluster log.
    jobid: {failed.number}
    output: work/receipt/00001.json
    log: {logs} (check log file(s) for error details)
    external_jobid: {log.stem}
Logfile job.log: empty file
"""


def test_a_failed_job_is_named_with_its_log_the_last_that_it_said_and_the_next_step(tmp_path: Path) -> None:
    log = write(tmp_path / "job.log", "12:00:01 1/2, 0 failed\n12:00:02 the disk is full\n\n")
    assert tell_failed([job(2, log)], []).splitlines() == [
        "Failed jobs: 1; what needs their output is not made.",
        "  clip4mc_frames dataset=train shard=00001",
        f"    log {log}: 12:00:02 the disk is full",
        "Next: mend what is named above; then the same command goes on: what is finished is kept. "
        "`make doctor` checks the environment.",
    ]


def test_jobs_that_were_asked_to_end_leave_nothing_to_mend(tmp_path: Path) -> None:
    said = "12:00:02 [clip4mc train 00001] stopped by make stop after 3 of 10 samples: the same command goes on\n"
    stopped = job(2, write(tmp_path / "stopped.log", said))
    assert tell_failed([stopped], []).endswith("\nNext: the same command goes on: what is finished is kept.")
    broken = job(3, write(tmp_path / "broken.log", "12:00:02 the disk is full\n"))
    assert "Next: mend what is named above; then the same" in tell_failed([stopped, broken], [])


def test_a_job_that_ended_before_it_wrote_to_its_log_is_said_to(tmp_path: Path) -> None:
    text = tell_failed([job(2, str(tmp_path / "never.log"))], [])
    assert f"log {tmp_path}/never.log: the job ended before it wrote to it" in text


def test_the_last_attempt_that_slurm_ended_is_named_with_what_slurm_said_of_it(tmp_path: Path) -> None:
    first, last = tmp_path / "7.log", tmp_path / "9.log"
    write(first, "slurmstepd: error: the first attempt\n")
    write(last, "slurmstepd-n1: error: *** JOB 9 CANCELLED AT 12:00 DUE TO TIME LIMIT ***\nsrun: Job step aborted\n")
    failed = job(2, write(tmp_path / "job, 1.log", "12:00:01 1/2, 0 failed"))
    blocks = shown(failed, first), shown(job(3), tmp_path / "8.log"), shown(failed, last, "TIMEOUT")
    text = tell_failed([failed], [write(tmp_path / "run.log", "".join(blocks))])
    said = "slurmstepd-n1: error: *** JOB 9 CANCELLED AT 12:00 DUE TO TIME LIMIT ***"
    assert f"SLURM job 9 (TIMEOUT), log {last}: {said}\n" in text
    assert "first attempt" not in text
    assert "8.log" not in text
    assert "Next: give more minutes (`runtime` of the rule in profiles/slurm); then the same command goes on" in text


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("FAILED", "slurmstepd: error: Exceeded job memory limit"),
        ("FAILED", "slurmstepd: error: Detected 1 oom_kill event in StepId=9.0."),
        ("OUT_OF_MEMORY", ""),
    ],
)
def test_a_job_that_took_too_much_memory_is_told_where_to_ask_for_more(state: str, said: str, tmp_path: Path) -> None:
    log = tmp_path / "9.log"
    write(log, f"{said}\n")
    text = tell_failed([job(2)], [write(tmp_path / "run.log", shown(job(2), log, state))])
    assert "Next: give more memory (`mem_mb` of the rule in profiles/slurm)" in text


OF_SNAKEMAKE = "rule clip4mc_frames:\n    jobid: 0\nShell command: None\n{}RuleException:\nCalledProcessError\n"


@pytest.mark.parametrize(
    ("on_node", "told"),
    [
        ("line 4: python: No such file or directory\n", ": line 4: python: No such file or directory\n"),
        (OF_SNAKEMAKE.format("no module named av\n"), ": no module named av\n"),
        (OF_SNAKEMAKE.format(""), "\n"),
    ],
)
def test_of_a_job_with_an_empty_log_the_last_that_it_said_on_the_node_is_shown(
    on_node: str, told: str, tmp_path: Path
) -> None:
    log = tmp_path / "9.log"
    write(log, "Building DAG of jobs...\n" * (on_node.startswith("rule")) + on_node)
    failed = job(2, write(tmp_path / "job.log", ""))
    text = tell_failed([failed], [write(tmp_path / "run.log", shown(failed, log))])
    assert f"SLURM job 9 (FAILED), log {log}{told}" in text


def test_of_many_failed_jobs_ten_are_told_and_the_others_counted(tmp_path: Path) -> None:
    run_log = write(tmp_path / "run.log", "")
    text = tell_failed([job(n, shard=f"{n:05d}") for n in range(30)], [run_log])
    assert text.startswith("Failed jobs: 30;")
    assert "shard=00009" in text
    assert "shard=00010" not in text
    assert f"and 20 more: {run_log}" in text


def test_a_run_ended_from_outside_says_that_the_same_command_goes_on() -> None:
    assert tell_failed([], []) == (
        "The run ended before all was made; the same command goes on: what is finished is kept."
    )
