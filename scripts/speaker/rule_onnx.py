"""Rule `speaker_onnx`."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-speaker"):
        from scripts.speaker.export import export_onnx  # here: a missing onnx is named in the log

        export_onnx(Path(snakemake.input.weights).parent, Path(snakemake.output[0]))
