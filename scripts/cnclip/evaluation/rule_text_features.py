"""Rule `cnclip_text_features`: the vectors of a split's texts."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), make_target="env-cnclip"):
        # Here: a missing package is named in the log, and no CUDA library loads before a GPU is held.
        from scripts.cnclip.encoder import opened_as
        from scripts.cnclip.evaluation.features import text_features
        from scripts.cnclip.job_device import job_device

        wanted = snakemake.resources.get("gpu", 0)
        with job_device(
            n_gpus=wanted, gpus=snakemake.params.gpus, jobs_per_gpu=snakemake.params.jobs_per_gpu
        ) as device:
            text_features(
                model=Path(snakemake.input.model),
                form=opened_as(snakemake.wildcards.form),
                texts=Path(snakemake.input.texts),
                part=Path(snakemake.output[0]),
                device=device,
            )
