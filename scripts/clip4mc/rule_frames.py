"""Rule `clip4mc_frames`: the samples of one shard; and `clip4mc_sample`: one sample by its path."""

from functools import partial
from importlib.metadata import version
from pathlib import Path

from scripts.clip4mc.gpu_job import hold_decoder
from scripts.shared.job_log import job_log
from scripts.shared.shard_job import run_shard

LIBRARIES = ("av", "ftfy", "numpy", "opencv-python-headless", "regex")

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-clip4mc"):
        run_shard(
            Path(snakemake.input.plan),
            Path(snakemake.output.receipt) if snakemake.rule == "clip4mc_frames" else None,
            function="scripts.clip4mc.sample:make_sample",
            versions={name: version(name) for name in LIBRARIES},
            workers=snakemake.threads,
            equip=partial(hold_decoder, n_gpus=snakemake.resources.get("gpu", 0)),
        )
