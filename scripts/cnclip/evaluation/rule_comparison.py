"""Rule `cnclip_comparison`: all models on all sets, as tables and pictures."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-cnclip"):
        from scripts.cnclip.evaluation.bars_figure import accuracy_figure, recall_figure
        from scripts.cnclip.evaluation.comparison import compare
        from scripts.shared import atomic_files
        from scripts.shared.figures.style import to_png

        content = compare(
            metrics=[Path(path) for path in snakemake.input.metrics],
            zeroshot=[Path(path) for path in snakemake.input.zeroshot],
            baseline=snakemake.params.baseline,
            trained_on=snakemake.params.trained_on,
            seed=snakemake.params.seed,
            table=Path(snakemake.output.table),
            csv_table=Path(snakemake.output.csv),
        )
        recall = recall_figure(content["retrieval"], title="Retrieval by all models")
        accuracy = accuracy_figure(content["zeroshot"], title="Classification without training by all models")
        atomic_files.write_bytes(Path(snakemake.output.recall), to_png(recall))
        atomic_files.write_bytes(Path(snakemake.output.zeroshot), to_png(accuracy))
