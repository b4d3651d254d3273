"""Rule `*_run_verification` of every system that trains."""

from pathlib import Path

from scripts.shared import atomic_files
from scripts.shared.job_log import job_log
from scripts.upkeep.request_file import read_request
from scripts.upkeep.verify_run import RunToVerify, verify_run

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output):
        found = verify_run(RunToVerify(**read_request(Path(snakemake.input.request))))
        atomic_files.write_json(Path(snakemake.output.mark), found)
