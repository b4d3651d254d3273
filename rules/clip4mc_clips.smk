# Clips cut out of whole videos, for those who want them: `clip4mc_clips`. No other target asks for them.
from scripts.clip4mc.stage import clips_stage

CLIP4MC_CLIPS = f"{CLIP4MC_RESULTS}/clips"
CLIP4MC_CLIPS_WORK = f"{CLIP4MC_WORK}/clips"
CLIP4MC_CLIPS_RECEIPT = f"{CLIP4MC_CLIPS_WORK}/clips/receipt/{{shard}}.json"
CLIP4MC_CLIPS_INDEX = {
    "pairs": f"{CLIP4MC_CLIPS}/text_video_pairs.json",
    "failures": f"{CLIP4MC_CLIPS}/failures.csv",
    "summary": f"{CLIP4MC_CLIPS}/summary.json",
}
CLIP4MC_CLIPS_GATE = f"{CLIP4MC_CLIPS_WORK}/gate/passed.json"


@functools.cache
def clip4mc_clips_stage(dataset):
    return clips_stage(CONFIG, dataset)


def clip4mc_clips_receipts_of(dataset):
    shards = PLANS.shards(clip4mc_clips_stage(dataset))
    return expand(CLIP4MC_CLIPS_RECEIPT, dataset=dataset, shard=shards)


@planned
def clip4mc_clips_targets(wildcards):
    whole = [
        name
        for name, dataset in CLIP4MC["datasets"].items()
        if dataset["source"] == "videos"
    ]
    if not whole:
        print(
            "clip4mc: no dataset has source: videos, so there are no clips to cut",
            file=sys.stderr,
        )
    receipts = [
        receipt for dataset in whole for receipt in clip4mc_clips_receipts_of(dataset)
    ]
    made = [*CLIP4MC_CLIPS_INDEX.values(), CLIP4MC_CLIPS_GATE]
    return receipts + expand(made, dataset=whole)


localrules:
    clip4mc_clips,
    clip4mc_clips_index,
    clip4mc_clips_gate,


rule clip4mc_cut:
    input:
        plan=planned(
            lambda wildcards: PLANS.plan(
                clip4mc_clips_stage(wildcards.dataset), wildcards.shard
            )
        ),
    output:
        receipt=CLIP4MC_CLIPS_RECEIPT,
    log:
        "logs/clip4mc_cut/{dataset}/{shard}.log",
    benchmark:
        "logs/clip4mc_cut/{dataset}/{shard}.benchmark.tsv"
    conda:
        "../envs/clip4mc.yaml"
    threads: lambda wildcards: CLIP4MC["datasets"][wildcards.dataset]["workers"]
    resources:
        gpu=0,
        # A worker and its ffmpeg take 300 MB at 1080p.
        mem_mb=growing(500, 500),
    script:
        "../scripts/clip4mc/rule_clips.py"


rule clip4mc_clips_index:
    input:
        plan=planned(
            lambda wildcards: PLANS.index(clip4mc_clips_stage(wildcards.dataset))
        ),
        receipts=planned(lambda wildcards: clip4mc_clips_receipts_of(wildcards.dataset)),
        # A caption changes no clip, only its pair.
        metadata=lambda wildcards: CLIP4MC["datasets"][wildcards.dataset]["metadata"],
        info_csv=lambda wildcards: CLIP4MC["datasets"][wildcards.dataset]["info_csv"],
    output:
        **CLIP4MC_CLIPS_INDEX,
    log:
        "logs/clip4mc_clips_index/{dataset}.log",
    conda:
        "../envs/clip4mc.yaml"
    script:
        "../scripts/clip4mc/rule_clips_index.py"


rule clip4mc_clips_gate:
    input:
        summary=CLIP4MC_CLIPS_INDEX["summary"],
    output:
        mark=CLIP4MC_CLIPS_GATE,
    log:
        "logs/clip4mc_clips_gate/{dataset}.log",
    params:
        max_failed_fraction=lambda wildcards: CLIP4MC["datasets"][wildcards.dataset][
            "max_failed_fraction"
        ],
    script:
        "../scripts/shared/rule_gate.py"


rule clip4mc_clips:
    input:
        clip4mc_clips_targets,
