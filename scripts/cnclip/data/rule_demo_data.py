"""Rule `cnclip_demo_data`."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-cnclip"):
        from scripts.cnclip.data.demo import make_demo  # here: a missing package is named in the log

        make_demo(Path(snakemake.output.credits).parent, snakemake.params.seed)
