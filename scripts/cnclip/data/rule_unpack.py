"""Rule `cnclip_unpack`."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-cnclip"):
        from scripts.cnclip.data.unpack import lmdb_to_files  # here: a missing package is named in the log

        lmdb_dir = Path(snakemake.input[0]).parents[1]  # .../<split>/pairs/data.mdb
        lmdb_to_files(lmdb_dir, Path(snakemake.output.pictures), Path(snakemake.output.texts))
