# What all systems share: the checked configuration, the plans of this process, and how errors are shown.
import functools
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, str(Path(workflow.basedir)))

from scripts.shared.config import load_config
from scripts.shared.devices import keep_to_slurm, visible
from scripts.shared.errors import ConfigError, PolymillError
from scripts.shared.failed_jobs import FailedJob, tell_failed
from scripts.shared.planning.plans import PlanMode, Plans

# Jobs inherit the environment of the process that runs them.
# They are `python -m snakemake`, for which Python would look for modules in the folder of the run too: a `random.py` there
# would be taken for Python's own, and Snakemake's search for plugins reads the names in every folder there, five times.
os.environ["PYTHONSAFEPATH"] = "1"
HIDES_GPUS = keep_to_slurm(own=workflow.remote_exec)


def config_origin(key):
    """Where a top-level key of the configuration came from."""
    if key in workflow.config_settings.config:
        return "--config"
    return ", ".join(os.path.relpath(path) for path in workflow.configfiles)


try:
    CONFIG = load_config(config, config_origin)
except PolymillError as error:
    raise WorkflowError(str(error)) from None

RESULTS, WORK = CONFIG["results_dir"], CONFIG["work_dir"]


def plan_mode():
    """How far this process may plan. Snakemake knows it inside input functions only, not while it parses."""
    real = (
        workflow.executor_plugin is not None
        and not workflow.dryrun
        and not workflow.touch
    )
    return PlanMode(
        plans=workflow.is_main_process,
        scratch=None if real else Path(workflow.snakemake_tmp_dir),
        cores=workflow.resource_settings.cores or 0,  # none on a cluster
    )


PLANS = Plans(plan_mode)


wildcard_constraints:
    dataset="[A-Za-z0-9_-]+",
    shard="[0-9]+",


def gpu_room(jobs_per_gpu):
    """How many jobs of one GPU this run may have at once on this machine.

    Snakemake counts a resource only where it knows a total, so it is told one where the user gave none.
    """
    if "gpu" not in workflow.global_resources:
        n_gpus = len(visible(CONFIG["gpus"]))
        if not n_gpus:
            if HIDES_GPUS:
                say_gpus_are_hidden()
            return 0
        workflow.register_resource("gpu", n_gpus * jobs_per_gpu)
    return workflow.global_resources["gpu"].value


@functools.cache
def say_gpus_are_hidden():
    print(
        "SLURM does not say that this allocation has GPUs, so none is used; a run in a shell of salloc sees them "
        "when it is begun by srun: srun -n1 -c CPUS snakemake ...",
        file=sys.stderr,
    )


def job_gpus(jobs_per_gpu):
    """GPUs of a job that can use one: 1 where there is one, or other machines may have one, else 0."""
    if CONFIG["gpus"] == []:
        return 0
    if workflow.non_local_exec or not workflow.is_main_process:
        return 1
    return min(gpu_room(jobs_per_gpu), 1)


def gpus_of_job(wanted, jobs_per_gpu, mend):
    """GPUs of a job that takes `wanted` where there are GPUs, else 0; `mend` says what to do where there are fewer."""
    if not job_gpus(jobs_per_gpu):
        return 0
    if not workflow.non_local_exec and workflow.is_main_process:
        room = gpu_room(jobs_per_gpu)
        if room < wanted:
            raise ConfigError(
                f"a run takes {wanted} GPUs (processes), and there are {room}; {mend}"
            )
    return wanted


def growing(mb, mb_a_thread=0):
    """Memory of a job in MB, more each time it is tried again."""
    return lambda wildcards, threads, attempt: (mb + mb_a_thread * threads) * attempt


def planned(function):
    """Make an input function show errors that a user can mend without a traceback."""

    def input_function(wildcards):
        try:
            return function(wildcards)
        except PolymillError as error:
            raise WorkflowError(str(error)) from None

    return input_function


def failed_jobs():
    """The jobs that failed in their last attempt."""
    jobs = [
        member
        for job in workflow.scheduler.failed
        for member in (job.jobs if job.is_group() else [job])
    ]
    return [
        FailedJob(job.jobid, job.rule.name, dict(job.wildcards_dict), list(job.log))
        for job in jobs
    ]


# At the end, where it is seen: what Snakemake shows of a failed job runs to pages, and names no next step.
onerror:
    logger.error(tell_failed(failed_jobs(), log))
