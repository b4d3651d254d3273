"""Rule `cnclip_join_checks`."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-cnclip"):
        from scripts.cnclip.data.joining import SplitTables, join_checks  # here: a missing package is named in the log

        tables = zip(snakemake.params.splits, snakemake.input.pictures, snakemake.input.rest, strict=True)
        join_checks(
            {split: SplitTables(Path(pictures), Path(rest)) for split, pictures, rest in tables},
            failures=Path(snakemake.output.failures),
            leakage=Path(snakemake.output.leakage),
            summary=Path(snakemake.output.summary),
        )
