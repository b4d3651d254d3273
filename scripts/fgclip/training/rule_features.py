"""Rule `fgclip_features_run`: features of the frames for a training in which nothing of CLIP learns."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-fgclip"):
        from scripts.fgclip.training.feature_maker import make_features  # here: a missing package is named in the log

        make_features(
            init=Path(snakemake.input.init),
            records=Path(snakemake.input.records),
            root=Path(snakemake.params.features),
            num_frames=snakemake.params.num_frames,
            frame_chunk=snakemake.params.frame_chunk,
            num_workers=snakemake.threads - 1,
            gpus=snakemake.params.gpus if snakemake.resources.get("gpu", 0) else [],
            jobs_per_gpu=snakemake.params.jobs_per_gpu,
        )
        # The features are no output, which Snakemake would delete before the job: other runs read them too.
        Path(snakemake.output.made).touch()
