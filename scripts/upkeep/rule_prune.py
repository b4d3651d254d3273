"""Rule `*_pruning` of every system."""

from pathlib import Path

from scripts.shared import atomic_files
from scripts.shared.job_log import job_log
from scripts.upkeep.prune import prune
from scripts.upkeep.prune_plan import PrunePlan
from scripts.upkeep.request_file import read_request

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output):
        plan = PrunePlan(**read_request(Path(snakemake.input.plan)))
        prune(plan)
        atomic_files.write_json(Path(snakemake.output.receipt), {"removed": len(plan.keys)})
