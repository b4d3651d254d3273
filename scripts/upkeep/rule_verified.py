"""Rule `*_verified` of every system: fails where problems were found."""

from pathlib import Path

from scripts.shared.job_log import job_log
from scripts.upkeep.verify import check_verification

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output):
        check_verification(Path(snakemake.input.report), Path(snakemake.output.mark), system=snakemake.params.system)
