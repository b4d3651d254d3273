"""Rule `fgclip_eval_figures`: what one form of a model reached on one dataset, as bars."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-fgclip"):
        from scripts.fgclip.figures.bars import draw_evaluation  # here: a missing package is named in the log

        draw_evaluation(
            metrics=Path(snakemake.input.metrics),
            overall=Path(snakemake.output.overall),
            classes=Path(snakemake.output.classes),
            pdf=snakemake.params.pdf,
        )
