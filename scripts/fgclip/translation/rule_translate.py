"""Rule `fgclip_translate_lists`."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-fgclip"):
        from scripts.fgclip.translation.rewrite import translate_lists  # here: a missing package is named in the log

        translate_lists(
            [Path(path) for path in snakemake.input.lists],
            Path(snakemake.input.table),
            translated=Path(snakemake.output.translated),
            report=Path(snakemake.output.report),
            todo=Path(snakemake.params.todo),
            on_missing=snakemake.params.on_missing,
        )
