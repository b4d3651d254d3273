"""Rule `*_download` of every system."""

import logging
import os
from pathlib import Path

from scripts.shared.job_log import job_log
from scripts.upkeep.download import HUGGING_FACE, fetch_all, files_to_fetch

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output):
        system = snakemake.params.system
        endpoint = os.environ.get("HF_ENDPOINT") or HUGGING_FACE
        files = files_to_fetch(system, snakemake.params.downloads, endpoint=endpoint)
        if not files:
            logging.info("%s.downloads names no file, so there is nothing to fetch", system)
        fetch_all(files, endpoint=endpoint, token=os.environ.get("HF_TOKEN"))
