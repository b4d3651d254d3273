"""Rule `clip4mc_index`."""

from pathlib import Path

from scripts.clip4mc.index import write_index
from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-clip4mc"):
        write_index(
            Path(snakemake.input.plan),
            info=Path(snakemake.output.info),
            failures=Path(snakemake.output.failures),
            summary=Path(snakemake.output.summary),
        )
