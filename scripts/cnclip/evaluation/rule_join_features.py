"""Rule `cnclip_features`: all vectors of a split in the order of its LMDB, and the official files of valid and test."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), make_target="env-cnclip"):
        from scripts.cnclip.evaluation.features import join_features, official_files

        folder = Path(snakemake.output.facts).parent
        join_features(
            picture_parts=[Path(path) for path in snakemake.input.pictures],
            text_part=Path(snakemake.input.texts),
            folder=folder,
            official=official_files(folder.parents[1], snakemake.wildcards.split),
        )
