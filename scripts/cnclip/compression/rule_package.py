"""Rule `cnclip_package_model`."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-cnclip"):
        from scripts.cnclip.compression.package import make_package  # here: a missing onnx is named in the log

        make_package(
            Path(snakemake.input.model),
            Path(snakemake.input.export),
            Path(snakemake.output[0]),
            name=snakemake.params.name,
            evaluations=[Path(file) for file in snakemake.input.metrics],
        )
