"""Rule `*_pack_index` of every system with samples."""

from pathlib import Path

from scripts.shared.job_log import job_log
from scripts.upkeep.packing.index import write_pack_index

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output):
        receipts = [Path(receipt) for receipt in snakemake.input.receipts]
        write_pack_index(Path(snakemake.output.index), receipts, dataset=snakemake.wildcards.dataset)
