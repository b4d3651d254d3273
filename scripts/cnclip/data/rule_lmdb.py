"""Rule `cnclip_lmdb`."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-cnclip"):
        from scripts.cnclip.data.lmdb_files import write_lmdb  # here: a missing package is named in the log

        write_lmdb(
            Path(snakemake.input.tsv),
            Path(snakemake.input.pictures),
            Path(snakemake.input.texts),
            Path(snakemake.output[0]),
        )
