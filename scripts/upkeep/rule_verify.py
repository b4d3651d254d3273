"""Rule `*_verification` of every system."""

from pathlib import Path

from scripts.shared.job_log import job_log
from scripts.upkeep.request_file import read_request
from scripts.upkeep.verify import DatasetToVerify, verify_dataset

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output):
        figure = snakemake.output.get("figure")
        verify_dataset(
            DatasetToVerify.from_request(read_request(Path(snakemake.input.request))),
            report=Path(snakemake.output.report),
            figure=Path(figure) if figure else None,
            workers=snakemake.threads,
        )
