"""Rule `*_pack_shard` of every system with samples."""

from pathlib import Path

from scripts.shared import atomic_files
from scripts.shared.job_log import job_log
from scripts.upkeep.packing.shard import ShardToPack, pack_shard
from scripts.upkeep.request_file import read_request

if __name__ == "__main__":
    with job_log(Path(snakemake.log[0]), outputs=snakemake.output):
        tars = pack_shard(ShardToPack(**read_request(Path(snakemake.input.request))))
        atomic_files.write_json(Path(snakemake.output.receipt), {"tars": tars})
