"""Rule `cnclip_init`."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-cnclip"):
        from scripts.cnclip.model_files.init import make_init  # here: a missing package is named in the log

        files = {name: Path(path) for name, path in snakemake.input.items()}
        make_init(Path(snakemake.output[0]), **snakemake.params.settings, **files)
