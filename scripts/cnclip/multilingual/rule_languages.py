"""Rule `cnclip_languages`: the picture of a model's recall by language."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-cnclip"):
        from scripts.cnclip.multilingual.by_language import write_languages_figure  # here: a missing package is named

        write_languages_figure(Path(snakemake.input.metrics), Path(snakemake.output.figure))
