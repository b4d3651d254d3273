"""Rule `cnclip_model`."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-cnclip"):
        from scripts.cnclip.model_files.init import make_model  # here: a missing package is named in the log

        make_model(
            Path(snakemake.input[0]),
            Path(snakemake.output[0]),
            name=snakemake.wildcards.model,
            trained_on=snakemake.params.trained_on,
        )
