"""Rule `speaker_find_boundaries`."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-speaker"):
        # Here: a missing scikit-learn is named in the log.
        from scripts.speaker.boundaries.job import find_dataset_boundaries
        from scripts.speaker.boundaries.options import BoundaryOptions

        find_dataset_boundaries(
            embeddings=Path(snakemake.input.embeddings),
            files=Path(snakemake.input.files),
            failures=Path(snakemake.input.failures),
            result=Path(snakemake.output.result),
            options=BoundaryOptions(**snakemake.params.options),
        )
