"""Rule `fgclip_data_figures`."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-fgclip"):
        from scripts.fgclip.data.figures import write_figures  # here: a missing matplotlib is named in the log

        write_figures(
            records=Path(snakemake.input.records),
            test=Path(snakemake.input.test),
            figures={name: Path(path) for name, path in snakemake.output.items()},
            title=f"fgclip {snakemake.wildcards.dataset}",
            seed=snakemake.params.seed,
        )
