# CLIP4MC data preparation: video-text pairs to frame, token and size files.
import functools

from scripts.clip4mc.decoder_choice import Machine
from scripts.clip4mc.stage import SAMPLE_FILES, frames_stage
from scripts.clip4mc.merge import merged_datasets

CLIP4MC = CONFIG["clip4mc"]
CLIP4MC_RESULTS = f"{RESULTS}/clip4mc/{{dataset}}"
CLIP4MC_WORK = f"{WORK}/clip4mc/{{dataset}}"
CLIP4MC_RECEIPT = f"{CLIP4MC_WORK}/frames/receipt/{{shard}}.json"
CLIP4MC_INDEX = {
    "info": f"{CLIP4MC_RESULTS}/dataset_info.json",
    "failures": f"{CLIP4MC_RESULTS}/failures.csv",
    "summary": f"{CLIP4MC_RESULTS}/summary.json",
}
CLIP4MC_FIGURES = {
    name: f"{CLIP4MC_RESULTS}/figures/{name}.png"
    for name in ("contact_sheet", "sources", "failures_by_class", "throughput")
}
CLIP4MC_GATE = f"{CLIP4MC_WORK}/gate/passed.json"
CLIP4MC_MERGED = f"{RESULTS}/clip4mc/dataset_info.json"


@functools.cache
def clip4mc_stage(dataset):
    # Where jobs go to other machines, no trial here says which decoder is quicker there.
    elsewhere = workflow.non_local_exec
    return frames_stage(CONFIG, dataset, None if elsewhere else clip4mc_machine)


def clip4mc_jobs_per_gpu():
    return max(d["jobs_per_gpu"] for d in CLIP4MC["datasets"].values())


def clip4mc_machine():
    """What this run has to decode with."""
    room = gpu_room(clip4mc_jobs_per_gpu())
    gpus = [device.name for device in visible(CONFIG["gpus"])][:room] if room else []
    return Machine(tuple(gpus), workflow.resource_settings.cores or 1)


def clip4mc_gpu(wildcards):
    """GPUs that a shard's job takes: 1 where its plan says nvdec and there is one, or other machines may have one."""
    means = PLANS.means(clip4mc_stage(wildcards.dataset), wildcards.shard)
    return job_gpus(clip4mc_jobs_per_gpu()) if means.get("decoder") == "nvdec" else 0


def clip4mc_memory(wildcards, threads, attempt):
    # A worker takes 150 MB at 1080p; 4K and a margin. With CUDA loaded it takes more: an estimate.
    worker = 750 if clip4mc_gpu(wildcards) else 250
    return (500 + worker * threads) * attempt


@planned
def clip4mc_shard_plan(wildcards):
    plan = PLANS.plan(clip4mc_stage(wildcards.dataset), wildcards.shard)
    # Asks for resources come after Snakemake has fixed their totals, and this one brings its own.
    clip4mc_gpu(wildcards)
    return plan


def clip4mc_receipts_of(dataset):
    shards = PLANS.shards(clip4mc_stage(dataset))
    return expand(CLIP4MC_RECEIPT, dataset=dataset, shard=shards)


@planned
def clip4mc_targets(wildcards):
    if not CLIP4MC["datasets"]:
        print(
            "clip4mc: the configuration names no dataset, so there is nothing to make",
            file=sys.stderr,
        )
    receipts = [
        receipt
        for dataset in CLIP4MC["datasets"]
        for receipt in clip4mc_receipts_of(dataset)
    ]
    made = expand([*CLIP4MC_INDEX.values(), CLIP4MC_GATE], dataset=CLIP4MC["datasets"])
    drawn = expand(
        CLIP4MC_FIGURES.values(),
        dataset=[
            name for name, options in CLIP4MC["datasets"].items() if options["figures"]
        ],
    )
    merged = [CLIP4MC_MERGED] if "merge" in CLIP4MC else []
    packed = pack_targets("clip4mc", kept_current=True)
    return receipts + made + drawn + merged + packed


@planned
def clip4mc_sample_plan(wildcards):
    plan = PLANS.single(clip4mc_stage(wildcards.dataset), wildcards.sample)
    return ancient(str(plan.path)) if plan.current else str(plan.path)


localrules:
    all_clip4mc,
    clip4mc_all,
    clip4mc_index,
    clip4mc_figures,
    clip4mc_gate,
    clip4mc_merge,


rule clip4mc_frames:
    input:
        plan=clip4mc_shard_plan,
    output:
        receipt=CLIP4MC_RECEIPT,
    log:
        "logs/clip4mc_frames/{dataset}/{shard}.log",
    benchmark:
        "logs/clip4mc_frames/{dataset}/{shard}.benchmark.tsv"
    conda:
        "../envs/clip4mc.yaml"
    threads: lambda wildcards: CLIP4MC["datasets"][wildcards.dataset]["workers"]
    resources:
        gpu=planned(clip4mc_gpu),
        mem_mb=clip4mc_memory,
    script:
        "../scripts/clip4mc/rule_frames.py"


# One sample by its path, from the same plan and to the same ledger.
rule clip4mc_sample:
    input:
        plan=clip4mc_sample_plan,
    output:
        [f"{CLIP4MC_RESULTS}/{{sample}}/{file}" for file in SAMPLE_FILES],
    log:
        "logs/clip4mc_sample/{dataset}/{sample}.log",
    wildcard_constraints:
        sample="sample_[0-9]+_[A-Za-z0-9_-]+",
    conda:
        "../envs/clip4mc.yaml"
    script:
        "../scripts/clip4mc/rule_frames.py"


rule clip4mc_index:
    input:
        plan=planned(lambda wildcards: PLANS.index(clip4mc_stage(wildcards.dataset))),
        receipts=planned(lambda wildcards: clip4mc_receipts_of(wildcards.dataset)),
    output:
        info=CLIP4MC_INDEX["info"],
        failures=report(
            CLIP4MC_INDEX["failures"],
            category="clip4mc",
            labels={"dataset": "{dataset}", "what": "failed samples"},
            caption="../docs/captions/failures.rst",
        ),
        summary=CLIP4MC_INDEX["summary"],
    log:
        "logs/clip4mc_index/{dataset}.log",
    conda:
        "../envs/clip4mc.yaml"
    script:
        "../scripts/clip4mc/rule_index.py"


def clip4mc_figure(name):
    """A figure with its place in the report."""
    return report(
        CLIP4MC_FIGURES[name],
        category="clip4mc",
        labels={"dataset": "{dataset}", "what": name.replace("_", " ")},
        caption=f"../docs/captions/{name}.rst",
    )


rule clip4mc_figures:
    input:
        plan=planned(lambda wildcards: PLANS.index(clip4mc_stage(wildcards.dataset))),
        receipts=planned(lambda wildcards: clip4mc_receipts_of(wildcards.dataset)),
        info=CLIP4MC_INDEX["info"],
        summary=CLIP4MC_INDEX["summary"],
    output:
        **{name: clip4mc_figure(name) for name in CLIP4MC_FIGURES},
    log:
        "logs/clip4mc_figures/{dataset}.log",
    conda:
        "../envs/clip4mc.yaml"
    params:
        channel_order=lambda wildcards: CLIP4MC["datasets"][wildcards.dataset][
            "channel_order"
        ],
        tokenizer=lambda wildcards: CLIP4MC["datasets"][wildcards.dataset]["tokenizer"],
    script:
        "../scripts/clip4mc/rule_figures.py"


rule clip4mc_gate:
    input:
        summary=CLIP4MC_INDEX["summary"],
    output:
        mark=CLIP4MC_GATE,
    log:
        "logs/clip4mc_gate/{dataset}.log",
    params:
        max_failed_fraction=lambda wildcards: CLIP4MC["datasets"][wildcards.dataset][
            "max_failed_fraction"
        ],
    script:
        "../scripts/shared/rule_gate.py"


rule clip4mc_merge:
    input:
        planned(
            lambda wildcards: expand(
                CLIP4MC_INDEX["info"], dataset=merged_datasets(CLIP4MC)
            )
        ),
    output:
        info=CLIP4MC_MERGED,
    log:
        "logs/clip4mc_merge.log",
    params:
        merge=CLIP4MC.get("merge"),
        seed=CLIP4MC["seed"],
    script:
        "../scripts/clip4mc/rule_merge.py"


rule all_clip4mc:
    input:
        clip4mc_targets,


rule clip4mc_all:
    input:
        clip4mc_targets,
