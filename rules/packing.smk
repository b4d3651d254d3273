# Finished samples in tars for WebDataset: X_pack, and all_X where a dataset says `pack: true`.
from scripts.systems import SYSTEMS
from scripts.upkeep.packing.asking import Packing

# Planned as the rules above plan them, so that a dataset is planned once.
PLANNED_STAGES = {
    "clip4mc": lambda dataset: (clip4mc_stage(dataset),),
    "speaker": lambda dataset: (
        (speaker_stage(dataset),) if dataset in speaker_names("input_dir") else ()
    ),
    "pose": lambda dataset: (
        tuple(pose_stages_by_name(dataset).values())
        if dataset in pose_datasets()
        else ()
    ),
}
PACKING = Packing(CONFIG, PLANS, plan_mode, PLANNED_STAGES)


def pack_request(system):
    return planned(
        lambda wildcards: str(
            PACKING.request(system, wildcards.dataset, wildcards.shard)
        )
    )


def pack_receipt(system):
    return f"{WORK}/{system}/{{dataset}}/pack/receipt/{{shard}}.json"


def pack_receipts_of(system, dataset):
    """What the jobs of all shards of a dataset told."""
    shards = PACKING.shards(system, dataset)
    return expand(pack_receipt(system), dataset=dataset, shard=shards)


def pack_index(system):
    return f"{RESULTS}/{system}/{{dataset}}/packed/index.json"


def pack_targets(system, kept_current=False):
    """The tars of a system's datasets; with `kept_current` of those that say `pack: true`."""
    names = PACKING.datasets(system, kept_current=kept_current)
    receipts = [receipt for name in names for receipt in pack_receipts_of(system, name)]
    return receipts + expand(pack_index(system), dataset=names)


for system in (name for name in SYSTEMS if SYSTEMS[name].packed):

    rule:
        name:
            f"{system}_pack_shard"
        input:
            request=pack_request(system),
            receipts=[
                f"{WORK}/{system}/{{dataset}}/{stage}/receipt/{{shard}}.json"
                for stage in SYSTEMS[system].packed
            ],
        output:
            receipt=pack_receipt(system),
        log:
            f"logs/{system}_pack_shard/{{dataset}}/{{shard}}.log",
        benchmark:
            f"logs/{system}_pack_shard/{{dataset}}/{{shard}}.benchmark.tsv"
        resources:
            mem_mb=growing(1000),
        script:
            "../scripts/upkeep/packing/rule_pack.py"

    rule:
        name:
            f"{system}_pack_index"
        input:
            receipts=planned(
                lambda wildcards, system=system: pack_receipts_of(
                    system, wildcards.dataset
                )
            ),
        output:
            index=pack_index(system),
        log:
            f"logs/{system}_pack_index/{{dataset}}.log",
        localrule: True
        script:
            "../scripts/upkeep/packing/rule_pack_index.py"

    rule:
        name:
            f"{system}_pack"
        input:
            planned(lambda wildcards, system=system: pack_targets(system)),
        localrule: True
