"""What a run tells at its end when jobs failed: which, what each said last, where it says more, and what to do."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_TOLD = 10  # jobs: a broken environment fails them all, and in one way
_GOES_ON = "the same command goes on: what is finished is kept"
# How Snakemake shows a failed job in its log.
_SHOWN = re.compile(r"^Error in rule \w+:\n((?: {4}.*\n)+)", re.MULTILINE)
_FIELD = re.compile(r"^ {4}(\w+): (.*)$", re.MULTILINE)
_AFTER_LOGS = " (check log file(s) for error details)"
# What Snakemake says on the node before and after a job.
_BEFORE, _AFTER = "\nShell command: None\n", re.compile(r"^(?:RuleException|WorkflowError):$", re.MULTILINE)
_SAID_BY_SLURM = re.compile(r"slurmstepd(-\S+)?: error: ")
# From the words with which SLURM ends a job to what a user can do.
_MENDS = {
    r"TIMEOUT|DUE TO TIME LIMIT": "give more minutes (`runtime` of the rule in profiles/slurm)",
    r"OUT_OF_MEMORY|memory limit|oom[-_ ]?kill": "give more memory (`mem_mb` of the rule in profiles/slurm)",
}


class FailedJob(NamedTuple):
    """A job that failed in its last attempt.

    Attributes:
        number: the one that Snakemake gave it in this run.
        rule: name of its rule.
        wildcards: their values by name, such as dataset and shard.
        logs: its log files.
    """

    number: int
    rule: str
    wildcards: Mapping[str, str]
    logs: Sequence[str]


class _OnCluster(NamedTuple):
    """An attempt that ran on a cluster: its number there, how it ended, and what the node said."""

    job: str
    state: str
    log: Path


def tell_failed(jobs: Iterable[FailedJob], run_logs: Sequence[str]) -> str:
    """Say what became of a run that did not make all it was asked for.

    Args:
        jobs: those that failed; none where the run was ended from outside.
        run_logs: Snakemake's logs of the run, which name the jobs that went to a cluster.

    Returns:
        The text for the terminal.
    """
    failed = sorted(jobs, key=lambda job: (job.rule, sorted(job.wildcards.items())))
    if not failed:
        return f"The run ended before all was made; {_GOES_ON}."
    shown = _shown(run_logs)
    lines = [f"Failed jobs: {len(failed)}; what needs their output is not made."]
    mends: dict[str, None] = {}
    for job in failed[:_TOLD]:
        on_cluster = _on_cluster(job, shown.get(job.number, {}))
        lines += ["  " + " ".join([job.rule, *(f"{name}={value}" for name, value in job.wildcards.items())])]
        told = list(_told(job, on_cluster))
        lines += [f"    {line}" for line in told]
        mends |= dict.fromkeys(_mends(on_cluster, told))
    if len(failed) > _TOLD:
        lines.append(f"  and {len(failed) - _TOLD} more: {', '.join(run_logs)}")
    if not mends:
        return "\n".join([*lines, f"Next: {_GOES_ON}."])
    return "\n".join([*lines, f"Next: {' and '.join(mends)}; then {_GOES_ON}. `make doctor` checks the environment."])


def _shown(run_logs: Sequence[str]) -> dict[int, dict[str, str]]:
    """By the number of a job, how its last failure is shown."""
    text = "".join(_text(Path(log)) for log in run_logs)
    found = (dict(_FIELD.findall(block)) for block in _SHOWN.findall(text))
    return {int(fields["jobid"]): fields for fields in found}


def _on_cluster(job: FailedJob, shown: Mapping[str, str]) -> _OnCluster | None:
    if "external_jobid" not in shown:
        return None
    state = re.search(r"status is: '(\w+)'", shown.get("message", ""))
    log = shown.get("log", "").removeprefix("".join(f"{log}, " for log in job.logs)).removesuffix(_AFTER_LOGS)
    return _OnCluster(shown["external_jobid"], state[1] if state else "failed", Path(log))


def _told(job: FailedJob, on_cluster: _OnCluster | None) -> Iterator[str]:
    # Snakemake has removed those of earlier runs, and made those that this job did not write.
    last = {log: _last_line(_text(Path(log))) for log in job.logs}
    yield from (f"log {log}: {line or 'the job ended before it wrote to it'}" for log, line in last.items())
    if on_cluster:
        by_slurm = _said_by_slurm(on_cluster.log)
        at_last = _last_line("\n".join(by_slurm) or ("" if any(last.values()) else _of_job(on_cluster.log)))
        yield f"SLURM job {on_cluster.job} ({on_cluster.state}), log {on_cluster.log}" + (
            f": {at_last}" if at_last else ""
        )


def _mends(on_cluster: _OnCluster | None, told: Sequence[str]) -> Sequence[str]:
    """What to do before the next run; nothing for a job that was asked to end."""
    said = "\n".join([on_cluster.state, *_said_by_slurm(on_cluster.log)]) if on_cluster else ""
    asked_to_end = any(" stopped by " in line for line in told)
    found = [mend for words, mend in _MENDS.items() if re.search(words, said, re.IGNORECASE)]
    return found or ([] if asked_to_end else ["mend what is named above"])


def _said_by_slurm(log: Path) -> list[str]:
    return [line for line in _text(log).splitlines() if _SAID_BY_SLURM.match(line)]


def _of_job(log: Path) -> str:
    """What the job itself said on the node; all of it where Snakemake did not begin there."""
    return _AFTER.split(_text(log))[0].rpartition(_BEFORE)[2]


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def _text(log: Path) -> str:
    try:
        return log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
