"""Packs the toy system's dataset shard by shard, as the jobs of `X_pack` do."""

from pathlib import Path

import webdataset

from scripts.shared import atomic_files, layout
from scripts.upkeep.packing.index import write_pack_index
from scripts.upkeep.packing.shard import Record, ShardToPack, pack_shard
from tests.toy_system import Toy

PLACES = 2


def packed(toy: Toy) -> Path:
    return toy.dataset_dir / "packed"


def shards(toy: Toy) -> list[str]:
    return sorted(path.stem for path in (toy.work / "words" / "plan").glob("*.json"))


def task(toy: Toy, shard: str, places: int = PLACES) -> ShardToPack:
    return ShardToPack(
        label=f"toy {toy.dataset} {shard}",
        system="toy",
        dataset=toy.dataset,
        dataset_dir=str(toy.dataset_dir),
        stages=["words"],
        plan=str(layout.plan_file(toy.work / "words", shard)),
        shard=shard,
        packed_dir=str(packed(toy)),
        n_samples=places,
    )


def pack(toy: Toy, places: int = PLACES) -> dict[str, Record]:
    """Pack all shards and write the index; what the jobs told, by shard."""
    told = {shard: pack_shard(task(toy, shard, places)) for shard in shards(toy)}
    receipts = [layout.receipt_file(toy.work / "pack", shard) for shard in told]
    for path, tars in zip(receipts, told.values(), strict=True):
        atomic_files.write_json(path, {"tars": tars})
    write_pack_index(packed(toy) / "index.json", receipts, dataset=toy.dataset)
    return told


def inodes(toy: Toy) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in sorted(packed(toy).glob("toys-*.tar"))}


def contents(toy: Toy) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(packed(toy).glob("toys-*.tar"))}


def read(*tars: Path) -> dict[str, dict[str, bytes]]:
    """What `webdataset` reads: fields by sample."""
    samples = webdataset.WebDataset([str(tar) for tar in tars], shardshuffle=False, empty_check=False)
    return {
        sample["__key__"]: {name: data for name, data in sample.items() if not name.startswith("__")}
        for sample in samples
    }
