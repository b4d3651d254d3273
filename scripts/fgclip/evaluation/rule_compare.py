"""Rule `fgclip_compare`: all forms of a dataset in one table, beside published figures."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-fgclip"):
        from scripts.fgclip.evaluation.comparison import compare

        compare(
            metrics=[Path(path) for path in snakemake.input.metrics],
            about=snakemake.params.about,
            baseline=snakemake.params.baseline,
            scores_dir=Path(snakemake.params.scores_dir),
            test=Path(snakemake.input.test),
            target=Path(snakemake.output.table).parent,
        )
