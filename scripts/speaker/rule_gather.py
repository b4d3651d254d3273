"""Rule `speaker_gather`."""

from pathlib import Path

from scripts.shared.job_log import job_log
from scripts.speaker.gathering import gather

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-speaker"):
        gather(Path(snakemake.input.request), outputs={name: Path(path) for name, path in snakemake.output.items()})
