"""Rule `fgclip_validate_lists`."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-fgclip"):
        from scripts.fgclip.data.options import DataOptions
        from scripts.fgclip.data.validation_files import write_validation  # here: a missing package is named in the log

        lists, boxes = snakemake.input.lists, snakemake.input.get("test_boxes")
        write_validation(
            Path(snakemake.input.plan),
            lists=[Path(lists)] if isinstance(lists, str) else [Path(path) for path in lists],
            test=Path(snakemake.input.test),
            test_boxes=Path(boxes) if boxes else None,
            options=DataOptions.from_mapping(snakemake.params.settings),
            outputs={name: Path(path) for name, path in snakemake.output.items()},
            title=f"fgclip {snakemake.wildcards.dataset}",
        )
