"""Rule `*_snapshot` of every system."""

from pathlib import Path

from scripts.shared import atomic_files
from scripts.shared.job_log import job_log
from scripts.upkeep.backup import DatasetToBackUp, back_up
from scripts.upkeep.request_file import read_request

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output):
        made = back_up(DatasetToBackUp(**read_request(Path(snakemake.input.request))), workers=snakemake.threads)
        atomic_files.write_json(Path(snakemake.output.receipt), made)
