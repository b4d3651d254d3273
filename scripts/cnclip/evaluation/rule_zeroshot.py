"""Rule `cnclip_zeroshot_predictions`: classification without training, by one model of one set."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-cnclip"):
        # Here: a missing package is named in the log, and no CUDA library loads before a GPU is held.
        from scripts.cnclip.encoder import opened_as
        from scripts.cnclip.evaluation.zeroshot import zeroshot
        from scripts.cnclip.job_device import job_device

        wanted = snakemake.resources.get("gpu", 0)
        with job_device(
            n_gpus=wanted, gpus=snakemake.params.gpus, jobs_per_gpu=snakemake.params.jobs_per_gpu
        ) as device:
            zeroshot(
                model=Path(snakemake.input.model),
                form=opened_as(snakemake.wildcards.form),
                root=Path(snakemake.input.pictures),
                name=snakemake.wildcards.form,
                dataset=snakemake.wildcards.zeroshot,
                template_set=snakemake.params.templates,
                predictions=Path(snakemake.output.predictions),
                metrics=Path(snakemake.output.metrics),
                seed=snakemake.params.seed,
                workers=snakemake.threads,
                device=device,
            )
