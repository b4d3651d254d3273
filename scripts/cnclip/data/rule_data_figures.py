"""Rule `cnclip_data_figures`."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-cnclip"):
        from scripts.cnclip.data.figures import SplitFiles, draw_figures  # here: a missing package is named in the log

        files = zip(snakemake.input.tsv, snakemake.input.pictures, snakemake.input.texts, strict=True)
        draw_figures(
            dict(zip(snakemake.params.splits, (SplitFiles(*map(Path, paths)) for paths in files), strict=True)),
            Path(snakemake.input.summary),
            samples=Path(snakemake.output.samples),
            overview=Path(snakemake.output.overview),
            seed=snakemake.params.seed,
            title=f"cnclip {snakemake.wildcards.dataset}",
        )
