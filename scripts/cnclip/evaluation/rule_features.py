"""Rule `cnclip_features`: the vectors of a split's texts, then all vectors in the order of its LMDB."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-cnclip"):
        # Here: a missing package is named in the log, and no CUDA library loads before a GPU is held.
        from scripts.cnclip.encoder import opened_as
        from scripts.cnclip.evaluation.features import join_features, official_files, text_features
        from scripts.cnclip.job_device import job_device

        text_part = Path(snakemake.params.text_part)
        wanted = snakemake.resources.get("gpu", 0)
        with job_device(
            n_gpus=wanted, gpus=snakemake.params.gpus, jobs_per_gpu=snakemake.params.jobs_per_gpu
        ) as device:
            text_features(
                model=Path(snakemake.input.model),
                form=opened_as(snakemake.wildcards.form),
                texts=Path(snakemake.input.texts),
                part=text_part,
                device=device,
            )
        folder = Path(snakemake.output.facts).parent
        join_features(
            picture_parts=[Path(path) for path in snakemake.input.pictures],
            text_part=text_part,
            folder=folder,
            official=official_files(folder.parents[1], snakemake.wildcards.split),
        )
