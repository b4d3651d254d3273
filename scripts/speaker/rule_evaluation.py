"""Rule `speaker_evaluation`."""

from pathlib import Path

from scripts.shared.job_log import job_log
from scripts.speaker.boundaries.evaluation import evaluate

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-speaker"):
        evaluate(
            result=Path(snakemake.input.result),
            files=Path(snakemake.input.files),
            reference=Path(snakemake.input.reference),
            evaluation=Path(snakemake.output.evaluation),
        )
