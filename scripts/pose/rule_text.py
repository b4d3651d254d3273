"""Rule `pose_text_shard`: the text vectors of one shard; and `pose_text_sample`: one of them by its path."""

from pathlib import Path

from scripts.shared.job_log import job_log
from scripts.shared.packages import installed_versions
from scripts.shared.shard_job import run_shard

LIBRARIES = ("ftfy", "numpy", "safetensors", "torch", "transformers")

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-pose"):
        whole = snakemake.rule == "pose_text_shard"
        run_shard(
            Path(snakemake.input.plan),
            Path(snakemake.output.receipt) if whole else None,
            function="scripts.pose.text.sample:make_sample",
            versions=installed_versions(LIBRARIES),
            workers=snakemake.threads,
        )
