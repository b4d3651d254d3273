"""Rule `cnclip_scores`: retrieval both ways of one model on one dataset."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-cnclip"):
        from scripts.cnclip.evaluation.evaluate import evaluate
        from scripts.cnclip.evaluation.examples_figure import draw_examples

        languages = zip(snakemake.params.languages, snakemake.input.get("languages", []), strict=True)
        evaluate(
            features=Path(snakemake.input.facts).parent,
            texts=Path(snakemake.input.texts),
            output=Path(snakemake.output.metrics).parent,
            name=snakemake.params.name,
            dataset=snakemake.wildcards.dataset,
            split=snakemake.params.split,
            seed=snakemake.params.seed,
            directions=snakemake.params.directions,
            languages={language: Path(path) for language, path in languages},
            model=Path(snakemake.input.model),
        )
        draw_examples(
            metrics=Path(snakemake.output.metrics),
            tsv=Path(snakemake.input.tsv),
            pictures=Path(snakemake.input.pictures),
            output=Path(snakemake.output.examples),
        )
