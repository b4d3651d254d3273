"""Rule `fgclip_comparison_figure`: all forms of models on one dataset side by side."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-fgclip"):
        from scripts.fgclip.figures.comparison_figure import draw_comparison  # here: a missing package is named

        draw_comparison(
            table=Path(snakemake.input.data), output=Path(snakemake.output.figure), pdf=snakemake.params.pdf
        )
