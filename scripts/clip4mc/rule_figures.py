"""Rule `clip4mc_figures`."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-clip4mc"):
        from scripts.clip4mc.figures import write_figures  # here: a missing matplotlib is named in the log

        write_figures(
            Path(snakemake.input.plan),
            info=Path(snakemake.input.info),
            summary=Path(snakemake.input.summary),
            figures={name: Path(path) for name, path in snakemake.output.items()},
            title=f"clip4mc {snakemake.wildcards.dataset}",
            channel_order=snakemake.params.channel_order,
            tokenizer=snakemake.params.tokenizer,
        )
