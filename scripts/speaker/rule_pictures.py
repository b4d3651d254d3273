"""Rule `speaker_pictures`."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-speaker"):
        from scripts.speaker.figures.pictures import draw_figures  # here: a missing matplotlib is named in the log

        evaluation = snakemake.input.get("evaluation")
        draw_figures(
            embeddings=Path(snakemake.input.embeddings),
            files=Path(snakemake.input.files),
            table=Path(snakemake.input.table),
            result=Path(snakemake.input.result),
            figures={name: Path(path) for name, path in snakemake.output.items()},
            title=f"speaker {snakemake.wildcards.dataset}",
            evaluation=Path(evaluation) if evaluation else None,
        )
