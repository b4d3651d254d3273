"""Rule `fgclip_train_run`: one training."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-fgclip"):
        from scripts.fgclip.figures.training_figure import draw_training  # here: a missing package is named in the log
        from scripts.fgclip.training.train import train

        run_dir, features = Path(snakemake.params.run_dir), snakemake.params.features
        train(
            snakemake.params.settings,
            name=snakemake.wildcards.run,
            init=Path(snakemake.input.init),
            records=Path(snakemake.input.records),
            run_dir=run_dir,
            features=Path(features) if features else None,
            gpus=snakemake.params.gpus if snakemake.resources.get("gpu", 0) else [],
        )
        draw_training(run_dir, Path(snakemake.output.figure), pdf=False)
