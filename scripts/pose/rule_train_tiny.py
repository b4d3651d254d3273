"""Rule `pose_train_tiny`."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-pose"):
        from scripts.pose.model_choice import TINY_SEED
        from scripts.pose.toy.report import write_report  # here: a missing package is named in the log
        from scripts.pose.toy.training import train_tiny

        motions, captions = Path(snakemake.input.motions), Path(snakemake.input.captions)
        trained = train_tiny(motions, captions, Path(snakemake.output.model), seed=TINY_SEED)
        write_report(
            trained,
            motions,
            captions,
            seed=TINY_SEED,
            measured=Path(snakemake.output.measured),
            training=Path(snakemake.output.training),
            control=Path(snakemake.output.control),
        )
