"""Rule `cnclip_mobile`."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-cnclip"):
        # Here: a missing onnxruntime is named in the log.
        from scripts.cnclip.compression.mobile import make_mobile
        from scripts.cnclip.compression.mobile_table import compare_mobile

        model, export = Path(snakemake.input.model), Path(snakemake.input.export)
        make_mobile(model, export, Path(snakemake.output.towers))
        compare_mobile(
            export,
            table=Path(snakemake.output.table),
            timings=Path(snakemake.output.timings),
            figure=Path(snakemake.output.figure),
            features={form: Path(folder) for form, folder in snakemake.params.features.items()},
            texts=[Path(file) for file in snakemake.input.texts],
            seed=snakemake.params.seed,
        )
