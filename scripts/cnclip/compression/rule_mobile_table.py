"""Rule `cnclip_mobile_table`."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-cnclip"):
        # Here: a missing onnxruntime is named in the log.
        from scripts.cnclip.compression.mobile_table import compare_mobile

        params = snakemake.params
        compare_mobile(
            Path(snakemake.input.export),
            table=Path(snakemake.output.table),
            timings=Path(snakemake.output.timings),
            figure=Path(snakemake.output.figure),
            features={form: Path(folder) for form, folder in params.features.items()},
            texts=Path(params.texts) if params.texts else None,
            seed=params.seed,
        )
