"""Rule `fgclip_init`."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-fgclip"):
        from scripts.fgclip.model.init import make_init  # here: a missing package is named in the log

        files = {name: Path(path) for name, path in snakemake.input.items() if name == "records"}
        make_init(Path(snakemake.output[0]), **snakemake.params.settings, **files)
