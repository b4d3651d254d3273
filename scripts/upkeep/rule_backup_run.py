"""Rule `*_run_snapshot` of every system that trains."""

from pathlib import Path

from scripts.shared import atomic_files
from scripts.shared.job_log import job_log
from scripts.upkeep.backup_run import RunToBackUp, back_up_run
from scripts.upkeep.request_file import read_request

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output):
        made = back_up_run(RunToBackUp(**read_request(Path(snakemake.input.request))))
        atomic_files.write_json(Path(snakemake.output.receipt), made)
