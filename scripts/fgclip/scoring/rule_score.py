"""Rule `fgclip_score_shard`: the scores of one shard of videos; and `fgclip_score_sample`: those of one by its path."""

from functools import partial
from pathlib import Path

from scripts.fgclip.scoring.gpu_job import group, hold_device
from scripts.shared.job_log import job_log
from scripts.shared.packages import installed_versions
from scripts.shared.shard_job import run_shard

LIBRARIES = ("av", "numpy", "safetensors", "torch", "transformers")

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-fgclip"):
        whole = snakemake.rule == "fgclip_score_shard"
        run_shard(
            Path(snakemake.input.plan),
            Path(snakemake.output.receipt) if whole else None,
            function="scripts.fgclip.scoring.job:score_videos",
            versions=installed_versions(LIBRARIES),
            workers=snakemake.threads,
            equip=partial(hold_device, n_gpus=snakemake.resources.get("gpu", 0), decoders=snakemake.threads),
            group=group,
        )
