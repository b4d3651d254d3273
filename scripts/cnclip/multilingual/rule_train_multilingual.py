"""Rule `cnclip_train_multilingual`: a run with `text_tower: multilingual`."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-cnclip"):
        # Here: a missing package is named in the log, and no CUDA library loads before a GPU is held.
        from scripts.cnclip.job_device import job_device

        params, n_gpus = snakemake.params, snakemake.resources.get("gpu", 0)
        with job_device(n_gpus=n_gpus, gpus=params.gpus, jobs_per_gpu=params.jobs_per_gpu) as device:
            from scripts.cnclip.multilingual.train import train_multilingual

            train_multilingual(
                params.settings,
                init=Path(snakemake.input.init),
                parallel=Path(snakemake.input.parallel),
                run_dir=Path(params.run_dir),
                trained_on=params.trained_on,
                device=device,
            )
