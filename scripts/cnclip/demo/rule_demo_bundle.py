"""Rule `cnclip_demo_bundle`."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-cnclip"):
        from scripts.cnclip.demo.bundle import make_bundle  # here: a missing package is named in the log
        from scripts.cnclip.demo.examples import Split

        files, translations = snakemake.input, snakemake.input.get("translations", [])
        make_bundle(
            Path(snakemake.output[0]),
            model=Path(files.model),
            split=Split(
                Path(files.tsv),
                Path(files.pictures),
                Path(files.texts),
                dict(zip(snakemake.params.languages, map(Path, translations), strict=True)),
            ),
            comparison=Path(files.comparison) if files.get("comparison") else None,
            credits=Path(files.credits) if files.get("credits") else None,
            seed=snakemake.params.seed,
        )
