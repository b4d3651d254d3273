"""Rule `search_notebook_file`."""

from pathlib import Path

from scripts.search.notebook import notebook
from scripts.shared.atomic_files import write_text
from scripts.shared.job_log import job_log

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output, make_target="env-search"):
        text = notebook(dataset=snakemake.wildcards.dataset, config=snakemake.params.config)
        write_text(Path(snakemake.output[0]), text)
