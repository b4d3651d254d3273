"""Rule `fgclip_evaluate`: the metrics of one form of a model on one dataset's test videos."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-fgclip"):
        from scripts.fgclip.evaluation.evaluate import evaluate

        evaluate(
            scores_dir=Path(snakemake.params.scores_dir),
            test=Path(snakemake.input.test),
            records=Path(snakemake.input.records),
            target=Path(snakemake.output.metrics).parent,
            dataset=snakemake.wildcards.dataset,
            form=snakemake.wildcards.form,
            expansion=snakemake.params.expand,
            allow_missing=snakemake.params.allow_missing,
            samples=snakemake.params.bootstrap,
            seed=snakemake.params.seed,
        )
