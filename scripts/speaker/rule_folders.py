"""Rule `speaker_folders`."""

from pathlib import Path

from scripts.shared.job_log import job_log
from scripts.speaker.boundaries.folders import write_folders

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-speaker"):
        result = Path(snakemake.input.result)
        write_folders(
            result=result,
            input_dir=Path(snakemake.params.input_dir),
            output=result.parent,
            report=Path(snakemake.output.report),
            materialise=snakemake.params.materialise,
            flat=snakemake.params.flat,
        )
