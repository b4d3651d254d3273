# Speaker: recordings to embeddings, and the places where one speaker ends and the next begins.
from dataclasses import asdict

from scripts.speaker.boundaries.options import BoundaryOptions
from scripts.speaker.encoders.model_folder import CONFIG as MODEL_CONFIG
from scripts.speaker.encoders.model_folder import PACKAGED, WEIGHTS
from scripts.speaker.encoders.gpu_support import why_not_on_gpu
from scripts.speaker.gathering import settle_gathering
from scripts.speaker.stage import embeddings_stage, key_of_embedding

SPEAKER = CONFIG["speaker"]
SPEAKER_RESULTS = f"{RESULTS}/speaker/{{dataset}}"
SPEAKER_WORK = f"{WORK}/speaker/{{dataset}}"
SPEAKER_RECEIPT = f"{SPEAKER_WORK}/embeddings/receipt/{{shard}}.json"
SPEAKER_ARRAY = {
    "embeddings": f"{SPEAKER_RESULTS}/embeddings.npy",
    "table": f"{SPEAKER_RESULTS}/embeddings.csv",
    "files": f"{SPEAKER_RESULTS}/files.csv",
    "failures": f"{SPEAKER_RESULTS}/failures.csv",
    "summary": f"{SPEAKER_RESULTS}/summary.json",
}
SPEAKER_FAILURES = report(
    SPEAKER_ARRAY["failures"],
    category="speaker",
    labels={"dataset": "{dataset}", "what": "failed recordings"},
    caption="../docs/captions/failures.rst",
)
SPEAKER_STATS = f"{SPEAKER_RESULTS}/embeddings/extraction_stats.json"
SPEAKER_FOUND = f"{SPEAKER_RESULTS}/boundaries/speaker_boundary_detection_result.json"
SPEAKER_FOLDERS = f"{SPEAKER_WORK}/boundaries/folders.json"
SPEAKER_EVALUATION = f"{SPEAKER_RESULTS}/boundaries/evaluation.json"
SPEAKER_GATE = f"{SPEAKER_WORK}/gate/passed.json"
SPEAKER_EXPORT = f"{SPEAKER_RESULTS}/model.onnx"
# Of the boundaries, and of the extraction.
SPEAKER_PICTURES = {
    name: f"{SPEAKER_RESULTS}/boundaries/{name}.png"
    for name in (
        "boundary_detection_visualization",
        "similarity_matrix",
        "uncertain_boundaries",
        "collection",
    )
}
SPEAKER_FIGURES = {
    name: f"{SPEAKER_RESULTS}/figures/{name}.png"
    for name in ("failures_by_class", "throughput")
}


def speaker_names(kind):
    """The datasets of recordings (`input_dir`), or those of embeddings made elsewhere (`embeddings_dir`)."""
    return [name for name, options in SPEAKER["datasets"].items() if kind in options]


def speaker_only(kind):
    """A wildcard constraint for these datasets; one that fits nothing where there are none."""
    return "|".join(speaker_names(kind)) or "(?!)"


def speaker_option(name):
    return lambda wildcards: SPEAKER["datasets"][wildcards.dataset].get(name)


def speaker_boundary_options(dataset):
    return BoundaryOptions.from_config(SPEAKER["datasets"][dataset])


@functools.cache
def speaker_stage(dataset):
    return embeddings_stage(CONFIG, dataset)


def speaker_gpu(wildcards):
    """GPUs that a shard's job takes: none where its model cannot use one, as the job says."""
    runtime = speaker_stage(wildcards.dataset).means["runtime"]
    here = workflow.is_main_process and not workflow.non_local_exec
    if runtime in PACKAGED or (here and why_not_on_gpu(runtime)):
        return 0
    return job_gpus(max(d["jobs_per_gpu"] for d in SPEAKER["datasets"].values()))


def speaker_memory(wildcards, threads, attempt):
    # Estimates: CUDA and up to 1 GiB of recordings that wait for others of their length, and workers that only read;
    # or workers of 400 MB each, with torch and a model of 25 MB.
    a_job, a_worker = (6000, 300) if speaker_gpu(wildcards) else (500, 500)
    return (a_job + a_worker * threads) * attempt


@planned
def speaker_shard_plan(wildcards):
    plan = PLANS.plan(speaker_stage(wildcards.dataset), wildcards.shard)
    # Asks for resources come after Snakemake has fixed their totals, and this one brings its own.
    speaker_gpu(wildcards)
    return plan


@planned
def speaker_sample_plan(wildcards):
    stage = speaker_stage(wildcards.dataset)
    plan = PLANS.single(stage, key_of_embedding(stage, wildcards.recording))
    return ancient(str(plan.path)) if plan.current else str(plan.path)


@planned
def speaker_receipts(wildcards):
    shards = PLANS.shards(speaker_stage(wildcards.dataset))
    return expand(SPEAKER_RECEIPT, dataset=wildcards.dataset, shard=shards)


@planned
def speaker_gathering(wildcards):
    request = f"{WORK}/speaker/{wildcards.dataset}/gathering/request.json"
    mode = plan_mode()
    if not mode.plans:
        return request
    return str(
        settle_gathering(CONFIG, wildcards.dataset, Path(request), scratch=mode.scratch)
    )


@planned
def speaker_embeddings_targets(wildcards):
    if not SPEAKER["datasets"]:
        print(
            "speaker: the configuration names no dataset, so there is nothing to make",
            file=sys.stderr,
        )
    shards = {
        name: PLANS.shards(speaker_stage(name)) for name in speaker_names("input_dir")
    }
    receipts = [
        receipt
        for name in shards
        for receipt in expand(SPEAKER_RECEIPT, dataset=name, shard=shards[name])
    ]
    arrays = expand(
        [*SPEAKER_ARRAY.values(), SPEAKER_GATE], dataset=SPEAKER["datasets"]
    )
    stats = [SPEAKER_STATS, SPEAKER_FIGURES["throughput"]]
    return receipts + arrays + expand(stats, dataset=shards)


@planned
def speaker_boundaries_targets(wildcards):
    datasets = SPEAKER["datasets"]
    for name in datasets:
        speaker_boundary_options(
            name
        )  # says what does not go together before anything is embedded
    drawn = [name for name, options in datasets.items() if options["figures"]]
    return (
        speaker_embeddings_targets(wildcards)
        + expand([SPEAKER_FOUND], dataset=datasets)
        + expand([SPEAKER_FOLDERS], dataset=speaker_names("input_dir"))
        + expand(SPEAKER_PICTURES.values(), dataset=drawn)
    )


def speaker_eval_targets(wildcards):
    return expand(SPEAKER_EVALUATION, dataset=speaker_names("reference"))


def speaker_export_targets(wildcards):
    checkpoints = [
        name
        for name in speaker_names("model_dir")
        if Path(SPEAKER["datasets"][name]["model_dir"], WEIGHTS).is_file()
    ]
    if not checkpoints:
        print(
            f"speaker: no dataset has a model_dir with {WEIGHTS}, so there is nothing to export",
            file=sys.stderr,
        )
    return expand(SPEAKER_EXPORT, dataset=checkpoints)


@planned
def speaker_targets(wildcards):
    return (
        speaker_boundaries_targets(wildcards)
        + speaker_eval_targets(wildcards)
        + pack_targets("speaker", kept_current=True)
    )


def speaker_picture(path, name):
    """A figure with its place in the report."""
    return report(
        path,
        category="speaker",
        labels={"dataset": "{dataset}", "what": name.replace("_", " ")},
        caption=f"../docs/captions/{name}.rst",
    )


# Those of one recording too: its name may hold what a cluster's jobs cannot be told, see the poses.
localrules:
    all_speaker,
    speaker_all,
    speaker_embeddings,
    speaker_boundaries,
    speaker_eval,
    speaker_export,
    speaker_gate,
    speaker_evaluation,
    speaker_sample,


rule speaker_embed:
    input:
        plan=speaker_shard_plan,
    output:
        receipt=SPEAKER_RECEIPT,
    log:
        "logs/speaker_embed/{dataset}/{shard}.log",
    benchmark:
        "logs/speaker_embed/{dataset}/{shard}.benchmark.tsv"
    conda:
        "../envs/speaker.yaml"
    threads: speaker_option("workers")
    resources:
        gpu=planned(speaker_gpu),
        mem_mb=speaker_memory,
    script:
        "../scripts/speaker/rule_embed.py"


# One embedding by its path, from the same plan and to the same ledger.
rule speaker_sample:
    input:
        plan=speaker_sample_plan,
    output:
        f"{SPEAKER_RESULTS}/embeddings/{{recording}}.pkl",
    log:
        "logs/speaker_sample/{dataset}/{recording}.log",
    wildcard_constraints:
        recording=".+",
        dataset=speaker_only("input_dir"),
    conda:
        "../envs/speaker.yaml"
    script:
        "../scripts/speaker/rule_embed.py"


rule speaker_index:
    input:
        plan=planned(lambda wildcards: PLANS.index(speaker_stage(wildcards.dataset))),
        receipts=speaker_receipts,
    output:
        **SPEAKER_ARRAY,
        **{name: speaker_picture(path, name) for name, path in SPEAKER_FIGURES.items()},
        stats=SPEAKER_STATS,
    log:
        "logs/speaker_index/{dataset}.log",
    wildcard_constraints:
        dataset=speaker_only("input_dir"),
    conda:
        "../envs/speaker.yaml"
    resources:
        mem_mb=growing(4000),  # a million recordings
    script:
        "../scripts/speaker/rule_index.py"


# Where the embeddings were made elsewhere.
rule speaker_gather:
    input:
        request=speaker_gathering,
    output:
        **{**SPEAKER_ARRAY, "failures": SPEAKER_FAILURES},
    log:
        "logs/speaker_gather/{dataset}.log",
    wildcard_constraints:
        dataset=speaker_only("embeddings_dir"),
    conda:
        "../envs/speaker.yaml"
    resources:
        mem_mb=growing(4000),
    script:
        "../scripts/speaker/rule_gather.py"


rule speaker_gate:
    input:
        summary=SPEAKER_ARRAY["summary"],
    output:
        mark=SPEAKER_GATE,
    log:
        "logs/speaker_gate/{dataset}.log",
    params:
        max_failed_fraction=speaker_option("max_failed_fraction"),
    script:
        "../scripts/shared/rule_gate.py"


rule speaker_find_boundaries:
    input:
        embeddings=SPEAKER_ARRAY["embeddings"],
        files=SPEAKER_ARRAY["files"],
        failures=SPEAKER_ARRAY["failures"],
    output:
        result=SPEAKER_FOUND,
    log:
        "logs/speaker_find_boundaries/{dataset}.log",
    conda:
        "../envs/speaker.yaml"
    resources:
        mem_mb=growing(2000),  # a million recordings
    params:
        options=lambda wildcards: asdict(speaker_boundary_options(wildcards.dataset)),
    script:
        "../scripts/speaker/rule_find_boundaries.py"


rule speaker_folders:
    input:
        result=SPEAKER_FOUND,
    output:
        report=SPEAKER_FOLDERS,
    log:
        "logs/speaker_folders/{dataset}.log",
    wildcard_constraints:
        dataset=speaker_only("input_dir"),
    conda:
        "../envs/speaker.yaml"
    resources:
        mem_mb=growing(2000),  # a million recordings
    params:
        input_dir=speaker_option("input_dir"),
        materialise=speaker_option("materialise"),
        flat=speaker_option("flat"),
    script:
        "../scripts/speaker/rule_folders.py"


rule speaker_evaluation:
    input:
        result=SPEAKER_FOUND,
        files=SPEAKER_ARRAY["files"],
        reference=speaker_option("reference"),
    output:
        evaluation=report(
            SPEAKER_EVALUATION,
            category="speaker",
            labels={"dataset": "{dataset}", "what": "evaluation"},
            caption="../docs/captions/evaluation.rst",
        ),
    log:
        "logs/speaker_evaluation/{dataset}.log",
    wildcard_constraints:
        dataset=speaker_only("reference"),
    conda:
        "../envs/speaker.yaml"
    script:
        "../scripts/speaker/rule_evaluation.py"


rule speaker_pictures:
    input:
        embeddings=SPEAKER_ARRAY["embeddings"],
        files=SPEAKER_ARRAY["files"],
        table=SPEAKER_ARRAY["table"],
        result=SPEAKER_FOUND,
        evaluation=lambda wildcards: (
            SPEAKER_EVALUATION
            if wildcards.dataset in speaker_names("reference")
            else []
        ),
    output:
        **{name: speaker_picture(path, name) for name, path in SPEAKER_PICTURES.items()},
    log:
        "logs/speaker_pictures/{dataset}.log",
    conda:
        "../envs/speaker.yaml"
    resources:
        mem_mb=growing(2000),
    script:
        "../scripts/speaker/rule_pictures.py"


rule speaker_onnx:
    input:
        config=lambda wildcards: Path(
            SPEAKER["datasets"][wildcards.dataset]["model_dir"], MODEL_CONFIG
        ),
        weights=lambda wildcards: Path(
            SPEAKER["datasets"][wildcards.dataset]["model_dir"], WEIGHTS
        ),
    output:
        SPEAKER_EXPORT,
    log:
        "logs/speaker_onnx/{dataset}.log",
    conda:
        "../envs/speaker.yaml"
    script:
        "../scripts/speaker/rule_onnx.py"


rule speaker_embeddings:
    input:
        speaker_embeddings_targets,


rule speaker_boundaries:
    input:
        speaker_boundaries_targets,


rule speaker_eval:
    input:
        speaker_eval_targets,


# The checkpoint of each dataset as ONNX, for those who want it.
rule speaker_export:
    input:
        speaker_export_targets,


rule all_speaker:
    input:
        speaker_targets,


rule speaker_all:
    input:
        speaker_targets,
