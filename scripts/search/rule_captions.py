"""Rule `search_captions`: the vectors of a dataset's captions."""

from pathlib import Path

from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-search"):
        # Here: a missing package is named in the log.
        from scripts.search.captions import encode_captions
        from scripts.search.encoders import open_chosen
        from scripts.search.encoders.choice import EncoderChoice

        choice = EncoderChoice(**snakemake.params.choice)
        encode_captions(Path(snakemake.input.captions), open_chosen(choice, device="cpu"), Path(snakemake.output[0]))
