"""Rule `pose_preview`."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-pose"):
        from scripts.pose.figures.report_pictures import write_preview  # here: a missing package is named in the log

        write_preview(
            Path(snakemake.input.index),
            Path(snakemake.output[0]),
            pose=snakemake.wildcards.pose,
            what=snakemake.wildcards.what,
            skeleton=snakemake.params.skeleton,
        )
