"""Rule `fgclip_subset_items`."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-fgclip"):
        from scripts.fgclip.data.subset import write_subset

        write_subset(
            Path(snakemake.input.records),
            Path(snakemake.output[0]),
            n=int(snakemake.wildcards.n),
            seed=snakemake.params.seed,
        )
