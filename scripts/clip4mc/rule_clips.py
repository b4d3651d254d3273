"""Rule `clip4mc_cut`: the clips of one shard."""

from importlib.metadata import version
from pathlib import Path

from scripts.shared.job_log import job_log
from scripts.shared.shard_job import run_shard

LIBRARIES = ("av", "ffmpeg-python", "numpy")

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-clip4mc"):
        # Here: a missing imageio-ffmpeg is named in the log.
        from scripts.shared.video.ffmpeg_program import ffmpeg_program, ffmpeg_version

        run_shard(
            Path(snakemake.input.plan),
            Path(snakemake.output.receipt),
            function="scripts.clip4mc.clip:make_clip",
            versions={name: version(name) for name in LIBRARIES} | {"ffmpeg": ffmpeg_version(ffmpeg_program())},
            workers=snakemake.threads,
        )
