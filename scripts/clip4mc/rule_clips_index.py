"""Rule `clip4mc_clips_index`."""

from pathlib import Path

from scripts.clip4mc.clips_index import write_clips_index
from scripts.clip4mc.metadata import MetadataList
from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-clip4mc"):
        write_clips_index(
            Path(snakemake.input.plan),
            listed=MetadataList(Path(snakemake.input.metadata), Path(snakemake.input.info_csv)),
            pairs=Path(snakemake.output.pairs),
            failures=Path(snakemake.output.failures),
            summary=Path(snakemake.output.summary),
        )
