"""Rule `fgclip_videos_shard`: what is known of the videos of one shard."""

from pathlib import Path

from scripts.shared.job_log import job_log
from scripts.shared.packages import installed_versions
from scripts.shared.shard_job import run_shard

LIBRARIES = ("av", "numpy")

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-fgclip"):
        run_shard(
            Path(snakemake.input.plan),
            Path(snakemake.output.receipt),
            function="scripts.fgclip.data.video_facts:read_facts",
            versions=installed_versions(LIBRARIES),
            workers=snakemake.threads,
        )
