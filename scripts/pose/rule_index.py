"""Rule `pose_index_files`."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-pose"):
        from scripts.pose.index import write_index  # here: a missing matplotlib is named in the log

        write_index(
            Path(snakemake.input.plan),
            outputs={name: Path(path) for name, path in snakemake.output.items()},
            title=f"pose {snakemake.wildcards.dataset}",
        )
