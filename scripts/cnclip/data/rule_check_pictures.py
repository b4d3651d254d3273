"""Rule `cnclip_check_pictures`."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-cnclip"):
        from scripts.cnclip.data.checking import check_shard  # here: a missing package is named in the log

        check_shard(
            Path(snakemake.input[0]),
            Path(snakemake.output[0]),
            shard=int(snakemake.wildcards.shard),
            n_shards=snakemake.params.n_shards,
            workers=snakemake.threads,
        )
