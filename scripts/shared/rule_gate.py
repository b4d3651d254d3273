"""Rule `*_gate` of every system."""

from pathlib import Path

from scripts.shared.gate import check_summary
from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output):
        check_summary(
            Path(snakemake.input.summary),
            Path(snakemake.output.mark),
            max_failed_fraction=snakemake.params.max_failed_fraction,
        )
