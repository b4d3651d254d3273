"""Rule `pose_contact_sheet`."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-pose"):
        # Here: a missing matplotlib is named in the log.
        from scripts.pose.figures.report_pictures import write_contact_sheet

        title = f"pose {snakemake.wildcards.dataset}"
        write_contact_sheet(
            Path(snakemake.input.index),
            Path(snakemake.output[0]),
            skeleton=snakemake.params.skeleton,
            seed=snakemake.params.seed,
            title=f"{title}: poses of a toy" if snakemake.params.toy else title,
        )
