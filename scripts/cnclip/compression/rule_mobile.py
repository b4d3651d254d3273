"""Rule `cnclip_mobile_towers`."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-cnclip"):
        # Here: a missing onnx is named in the log.
        from scripts.cnclip.compression.mobile import make_mobile

        make_mobile(
            Path(snakemake.input.model),
            Path(snakemake.input.export),
            Path(snakemake.output.towers),
        )
