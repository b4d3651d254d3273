"""Rule `cnclip_train_run`: one training."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-cnclip"):
        from scripts.cnclip.training.figure import draw_training  # here: a missing package is named in the log
        from scripts.cnclip.training.train import train

        run_dir = Path(snakemake.params.run_dir)
        train(
            snakemake.params.settings,
            name=snakemake.wildcards.run,
            init=Path(snakemake.input.init),
            lmdb=Path(snakemake.input.train).parent,
            run_dir=run_dir,
            teacher=Path(snakemake.params.teacher) if snakemake.params.teacher else None,
            gpus=snakemake.params.gpus if snakemake.resources.get("gpu", 0) else [],
        )
        draw_training(run_dir, Path(snakemake.output.figure))
