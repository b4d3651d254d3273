"""Rule `cnclip_export_model`."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-cnclip"):
        from scripts.cnclip.job_device import job_device

        params, wanted = snakemake.params, snakemake.resources.get("gpu", 0)
        with job_device(n_gpus=wanted, gpus=params.gpus, jobs_per_gpu=params.jobs_per_gpu) as device:
            # Here: a missing package is named in the log, and no CUDA library loads before a GPU is held.
            from scripts.cnclip.compression.export import export_model

            export_model(
                Path(snakemake.input.model),
                Path(snakemake.output.export),
                name=params.name,
                forms=params.forms,
                device=device,
            )
