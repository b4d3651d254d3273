"""Rule `pose_render_shard`: the pictures of one shard; and `pose_render_sample`: one of them by its path."""

from pathlib import Path

from scripts.shared.job_log import job_log
from scripts.shared.packages import installed_versions
from scripts.shared.shard_job import run_shard

LIBRARIES = ("matplotlib", "numpy", "opencv-python-headless", "pillow")

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-pose"):
        whole = snakemake.rule == "pose_render_shard"
        run_shard(
            Path(snakemake.input.plan),
            Path(snakemake.output.receipt) if whole else None,
            function="scripts.pose.figures.sample_picture:make_picture",
            versions=installed_versions(LIBRARIES),
            workers=snakemake.threads,
        )
