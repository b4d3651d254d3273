"""Rule `pose_generate_shard`: the poses of one shard; and `pose_generate_sample`: those of one caption by path."""

from functools import partial
from pathlib import Path

from scripts.pose.groups import group
from scripts.shared.job_gpu import hold_torch_device
from scripts.shared.job_log import job_log
from scripts.shared.packages import installed_versions
from scripts.shared.shard_job import run_shard

LIBRARIES = ("numpy", "safetensors", "torch", "torchdiffeq")

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-pose"):
        whole = snakemake.rule == "pose_generate_shard"
        run_shard(
            Path(snakemake.input.plan),
            Path(snakemake.output.receipt) if whole else None,
            function="scripts.pose.batches:make_poses",
            versions=installed_versions(LIBRARIES),
            workers=snakemake.threads,
            equip=partial(hold_torch_device, n_gpus=snakemake.resources.get("gpu", 0), verb="makes poses"),
            group=group,
        )
