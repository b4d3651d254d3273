"""Rule `speaker_embed`: the embeddings of one shard; and `speaker_sample`: one of them by its path."""

from pathlib import Path

from scripts.shared.job_log import job_log
from scripts.shared.packages import installed_versions
from scripts.shared.shard_job import run_shard

# Some builds of a library have a name of their own, such as onnxruntime-gpu.
LIBRARIES = ("av", "numpy", "onnxruntime", "onnxruntime-gpu", "soundfile", "soxr", "torch")

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-speaker"):
        # Here: a missing package is named in the log.
        from scripts.speaker.gpu_job import GpuJob
        from scripts.speaker.shard_arrays import write_part

        whole = snakemake.rule == "speaker_embed"
        job = GpuJob(n_gpus=snakemake.resources.get("gpu", 0))
        run_shard(
            Path(snakemake.input.plan),
            Path(snakemake.output.receipt) if whole else None,
            function="scripts.speaker.gpu_embedding:start_sample",
            versions=installed_versions(LIBRARIES),
            workers=snakemake.threads,
            equip=job.equip,
            combine=job.combine,
            finish=write_part,
        )
