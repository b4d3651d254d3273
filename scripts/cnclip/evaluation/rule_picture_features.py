"""Rule `cnclip_picture_features`: the vectors of one shard's pictures."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-cnclip"):
        # Here: a missing package is named in the log, and no CUDA library loads before a GPU is held.
        from scripts.cnclip.encoder import opened_as
        from scripts.cnclip.evaluation.features import picture_features
        from scripts.cnclip.job_device import job_device

        wanted = snakemake.resources.get("gpu", 0)
        with job_device(
            n_gpus=wanted, gpus=snakemake.params.gpus, jobs_per_gpu=snakemake.params.jobs_per_gpu
        ) as device:
            picture_features(
                model=Path(snakemake.input.model),
                form=opened_as(snakemake.wildcards.form),
                tsv=Path(snakemake.input.tsv),
                pictures=Path(snakemake.input.pictures),
                shard=int(snakemake.wildcards.shard),
                n_shards=snakemake.params.n_shards,
                part=Path(snakemake.output[0]),
                workers=snakemake.threads,
                device=device,
            )
