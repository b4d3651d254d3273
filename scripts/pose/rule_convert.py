"""Rule `pose_convert`."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-pose"):
        from scripts.pose.model_files.conversion import convert  # here: a missing package is named in the log
        from scripts.pose.model_files.official import ModelFiles

        convert(ModelFiles(**snakemake.params.official), Path(snakemake.output[0]))
