"""Rule `search_database`."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    database = Path(snakemake.params.database)
    outputs = (*snakemake.output, str(database))
    with job_log(Path(snakemake.log[0]), outputs=outputs, make_target="env-search"):
        from scripts.search.index import write_index  # here: a missing matplotlib is named in the log

        captions = snakemake.input.get("captions")
        write_index(
            Path(snakemake.input.plan),
            captions=Path(captions) if captions else None,
            database=database,
            outputs={name: Path(path) for name, path in snakemake.output.items()},
            title=f"search {snakemake.wildcards.dataset}",
        )
