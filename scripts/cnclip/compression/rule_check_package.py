"""Rule `cnclip_check_package`."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-cnclip"):
        # Here: a missing onnxruntime is named in the log.
        from scripts.cnclip.compression.package_check import Evaluated, verify_package

        paths = ("tsv", "pictures", "texts", "features")
        verify_package(
            Path(snakemake.input.package),
            Path(snakemake.output[0]),
            evaluated=[
                Evaluated(**each | {key: Path(each[key]) for key in paths}) for each in snakemake.params.evaluated
            ],
        )
