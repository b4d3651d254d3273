"""Rule `cnclip_tables`."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-cnclip"):
        from scripts.cnclip.data.tables import make_tables  # here: a missing package is named in the log

        make_tables(
            [Path(receipt) for receipt in snakemake.input.checked],
            Path(snakemake.input.texts),
            split=snakemake.wildcards.split,
            good_pictures=Path(snakemake.output.pictures),
            good_texts=Path(snakemake.output.texts),
            rest=Path(snakemake.output.rest),
        )
