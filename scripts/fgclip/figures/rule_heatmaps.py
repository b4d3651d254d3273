"""Rule `fgclip_heatmaps_form`: the heat maps of one form of a model on one dataset's test videos."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-fgclip"):
        from scripts.fgclip.figures.heatmaps import draw_heatmaps  # here: a missing package is named in the log

        draw_heatmaps(
            test=Path(snakemake.input.test),
            metrics=Path(snakemake.input.metrics),
            scores_dir=Path(snakemake.params.scores_dir),
            facts_dir=Path(snakemake.params.facts_dir),
            shown=snakemake.params.shown,
            most=snakemake.params.shown_most,
            overlays=snakemake.params.overlays,
            pdf=snakemake.params.pdf,
            folder=Path(snakemake.output.folder),
            gallery=Path(snakemake.output.gallery),
        )
