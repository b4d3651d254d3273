"""Rule `clip4mc_merge`."""

from pathlib import Path

from scripts.clip4mc.merge import merge_infos
from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-clip4mc"):
        merge_infos(
            {Path(path).parent.name: Path(path) for path in snakemake.input},
            snakemake.params.merge,
            seed=snakemake.params.seed,
            out=Path(snakemake.output.info),
        )
