# Pose: captions to 3D poses, in three stages (text vectors, poses, pictures) with one membership.
from scripts.pose.one import ONE
from scripts.pose.stage import key_of_pose, pose_stages, preview_files, text_file
from scripts.shared.errors import ConfigError

POSE_RESULTS = f"{RESULTS}/pose/{{dataset}}"
POSE_WORK = f"{WORK}/pose/{{dataset}}"
POSE_RECEIPTS = {
    stage: f"{POSE_WORK}/{stage}/receipt/{{shard}}.json"
    for stage in ("text", "generate", "render")
}
POSE_INDEX = {
    "index": f"{POSE_RESULTS}/index.csv",
    "failures": f"{POSE_RESULTS}/failures.csv",
    "summary": f"{POSE_RESULTS}/summary.json",
}
POSE_FIGURES = {
    name: f"{POSE_RESULTS}/figures/{name}.png"
    for name in ("failures_by_class", "throughput")
}
POSE_SHEET = f"{POSE_RESULTS}/figures/pose_contact_sheet.png"
POSE_GATE = f"{POSE_WORK}/gate/passed.json"


@functools.cache
def pose_stages_by_name(dataset):
    return {stage.name: stage for stage in pose_stages(POSE_CONFIG, dataset)}


def pose_stage(dataset, name):
    """One of the stages of a dataset, which share one reading of its list."""
    return pose_stages_by_name(dataset)[name]


def pose_option(name):
    return lambda wildcards: POSE["datasets"][wildcards.dataset].get(name)


def pose_datasets():
    """The datasets of the configuration; not the one of `pose_one`."""
    return [name for name in POSE["datasets"] if name != ONE]


def pose_gpu(wildcards):
    return job_gpus(max(d["jobs_per_gpu"] for d in POSE["datasets"].values()))


def pose_memory(wildcards, threads, attempt):
    # Estimates: torch and CLIP's text tower; MARDM-XL is 1.2 GB and as much again while it works.
    of_a_worker = 700 if pose_chosen_model(wildcards.dataset).is_toy else 3000
    return (500 + of_a_worker * (1 if pose_gpu(wildcards) else threads)) * attempt


def pose_plan(stage):
    """The plan of a shard of one stage."""

    def plan(wildcards):
        return PLANS.plan(pose_stage(wildcards.dataset, stage), wildcards.shard)

    return planned(plan)


@planned
def pose_generate_plan(wildcards):
    plan = PLANS.plan(pose_stage(wildcards.dataset, "generate"), wildcards.shard)
    # Asks for resources come after Snakemake has fixed their totals, and this one brings its own.
    pose_gpu(wildcards)
    return plan


def pose_key(wildcards):
    """Name of the caption that a pose is asked for of by its path."""
    return key_of_pose(pose_stage(wildcards.dataset, "render"), wildcards.pose)


def pose_single(stage, of_pose):
    """The plan of one caption of one stage, for the name of a pose or, not `of_pose`, of the caption."""

    def plan(wildcards):
        key = pose_key(wildcards) if of_pose else wildcards.pose
        single = PLANS.single(pose_stage(wildcards.dataset, stage), key)
        return ancient(str(single.path)) if single.current else str(single.path)

    return planned(plan)


def pose_made_from(stage):
    """What one caption of a later stage is made from, by its path; not ancient, see `pose_model_file`."""

    def source(wildcards):
        name = f"poses/{wildcards.pose}.npy"
        if stage == "text":
            name = text_file(pose_key(wildcards))
        return f"{RESULTS}/pose/{wildcards.dataset}/{name}"

    return planned(source)


@planned
def pose_receipts(wildcards):
    shards = PLANS.shards(pose_stage(wildcards.dataset, "render"))
    return expand(POSE_RECEIPTS["render"], dataset=wildcards.dataset, shard=shards)


def pose_receipts_of(*stages):
    """Target: the receipts of some stages of all datasets."""

    def receipts(wildcards):
        if not pose_datasets():
            print(
                "pose: the configuration names no dataset, so there is nothing to make",
                file=sys.stderr,
            )
        return [
            receipt
            for name in pose_datasets()
            for stage in stages
            for receipt in expand(
                POSE_RECEIPTS[stage],
                dataset=name,
                shard=PLANS.shards(pose_stage(name, stage)),
            )
        ]

    return receipts


def pose_index_targets(wildcards):
    receipts = pose_receipts_of("text", "generate", "render")(wildcards)
    return receipts + expand([*POSE_INDEX.values(), POSE_GATE], dataset=pose_datasets())


@planned
def pose_targets(wildcards):
    drawn = [name for name in pose_datasets() if POSE["datasets"][name]["figures"]]
    return (
        pose_index_targets(wildcards)
        + expand(POSE_SHEET, dataset=drawn)
        + pose_previews_targets(wildcards)
        + pose_tiny_targets(wildcards)
        + pack_targets("pose", kept_current=True)
    )


def pose_previews_targets(wildcards):
    return [
        f"{RESULTS}/pose/{name}/{file}"
        for name in pose_datasets()
        for file in preview_files(POSE_CONFIG, name)
    ]


@planned
def pose_one_targets(wildcards):
    if ONE not in POSE["datasets"]:
        raise ConfigError(
            'pose_one needs a caption: snakemake pose_one --config caption="A person waving"'
        )
    (entry,) = pose_stage(ONE, "render").read_list()
    return [
        f"{RESULTS}/pose/{ONE}/poses/{entry.key}.{suffix}"
        for suffix in ("npy", "json", "png")
    ]


def pose_report(path, what, caption):
    """A file with its place in the report."""
    return report(
        path,
        category="pose",
        labels={"dataset": "{dataset}", "what": what},
        caption=f"../docs/captions/{caption}.rst",
    )


# Those of one pose too: its name may hold commas, quotes and dollars, with which a cluster's jobs cannot be told it.
localrules:
    all_pose,
    pose_all,
    pose_text,
    pose_generate,
    pose_render,
    pose_index,
    pose_previews,
    pose_one,
    pose_index_files,
    pose_gate,
    pose_contact_sheet,
    pose_text_sample,
    pose_generate_sample,
    pose_render_sample,
    pose_preview,


rule pose_text_shard:
    input:
        plan=pose_plan("text"),
    output:
        receipt=POSE_RECEIPTS["text"],
    log:
        "logs/pose_text_shard/{dataset}/{shard}.log",
    benchmark:
        "logs/pose_text_shard/{dataset}/{shard}.benchmark.tsv"
    conda:
        "../envs/pose.yaml"
    threads: pose_option("workers")
    resources:
        mem_mb=growing(500, 700),
    script:
        "../scripts/pose/rule_text.py"


rule pose_generate_shard:
    input:
        plan=pose_generate_plan,
        text=POSE_RECEIPTS["text"],
        model=pose_model_file,
    output:
        receipt=POSE_RECEIPTS["generate"],
    log:
        "logs/pose_generate_shard/{dataset}/{shard}.log",
    benchmark:
        "logs/pose_generate_shard/{dataset}/{shard}.benchmark.tsv"
    conda:
        "../envs/pose.yaml"
    threads: pose_option("workers")
    resources:
        gpu=planned(pose_gpu),
        mem_mb=pose_memory,
    script:
        "../scripts/pose/rule_generate.py"


rule pose_render_shard:
    input:
        plan=pose_plan("render"),
        poses=POSE_RECEIPTS["generate"],
    output:
        receipt=POSE_RECEIPTS["render"],
    log:
        "logs/pose_render_shard/{dataset}/{shard}.log",
    benchmark:
        "logs/pose_render_shard/{dataset}/{shard}.benchmark.tsv"
    conda:
        "../envs/pose.yaml"
    threads: pose_option("workers")
    resources:
        mem_mb=growing(500, 200),
    script:
        "../scripts/pose/rule_render.py"


# One caption's files by their paths, from the same plans and to the same ledgers.
rule pose_text_sample:
    input:
        plan=pose_single("text", of_pose=False),
    output:
        f"{POSE_RESULTS}/text/{{pose}}.npy",
    log:
        "logs/pose_text_sample/{dataset}/{pose}.log",
    wildcard_constraints:
        pose="[^/]+",
    conda:
        "../envs/pose.yaml"
    script:
        "../scripts/pose/rule_text.py"


rule pose_generate_sample:
    input:
        plan=pose_single("generate", of_pose=True),
        text=pose_made_from("text"),
        model=pose_model_file,
    output:
        f"{POSE_RESULTS}/poses/{{pose}}.npy",
        f"{POSE_RESULTS}/poses/{{pose}}.json",
    log:
        "logs/pose_generate_sample/{dataset}/{pose}.log",
    wildcard_constraints:
        pose="[^/]+",
    conda:
        "../envs/pose.yaml"
    resources:
        gpu=planned(pose_gpu),
        mem_mb=pose_memory,
    script:
        "../scripts/pose/rule_generate.py"


rule pose_render_sample:
    input:
        plan=pose_single("render", of_pose=True),
        pose=pose_made_from("generate"),
    output:
        f"{POSE_RESULTS}/poses/{{pose}}.png",
    log:
        "logs/pose_render_sample/{dataset}/{pose}.log",
    wildcard_constraints:
        pose="[^/]+",
    conda:
        "../envs/pose.yaml"
    script:
        "../scripts/pose/rule_render.py"


rule pose_index_files:
    input:
        plan=planned(
            lambda wildcards: PLANS.index(pose_stage(wildcards.dataset, "render"))
        ),
        receipts=pose_receipts,
    output:
        **{
            name: pose_report(path, name.replace("_", " "), name)
            for name, path in POSE_FIGURES.items()
        },
        index=POSE_INDEX["index"],
        failures=report(
            POSE_INDEX["failures"],
            category="pose",
            labels={"dataset": "{dataset}", "what": "failed captions"},
            caption="../docs/captions/failures.rst",
        ),
        summary=POSE_INDEX["summary"],
    log:
        "logs/pose_index_files/{dataset}.log",
    conda:
        "../envs/pose.yaml"
    resources:
        mem_mb=growing(2000),
    script:
        "../scripts/pose/rule_index.py"


rule pose_gate:
    input:
        summary=POSE_INDEX["summary"],
    output:
        mark=POSE_GATE,
    log:
        "logs/pose_gate/{dataset}.log",
    params:
        max_failed_fraction=pose_option("max_failed_fraction"),
    script:
        "../scripts/shared/rule_gate.py"


rule pose_contact_sheet:
    input:
        index=POSE_INDEX["index"],
    output:
        pose_report(POSE_SHEET, "contact sheet", "pose_contact_sheet"),
    log:
        "logs/pose_contact_sheet/{dataset}.log",
    conda:
        "../envs/pose.yaml"
    params:
        skeleton=pose_option("skeleton"),
        seed=pose_option("seed"),
        toy=lambda wildcards: pose_chosen_model(wildcards.dataset).is_toy,
    script:
        "../scripts/pose/rule_contact_sheet.py"


# One pose from four sides and turning, and its whole motion where that was kept.
rule pose_preview:
    input:
        index=POSE_INDEX["index"],
    output:
        pose_report(
            f"{POSE_RESULTS}/previews/{{pose}}_{{what}}.{{suffix}}",
            "{pose}, {what}",
            "pose_preview",
        ),
    log:
        "logs/pose_preview/{dataset}/{pose}_{what}.{suffix}.log",
    wildcard_constraints:
        pose="[^/]+",
        what="views|turntable|motion",
        suffix="png|webp",
    conda:
        "../envs/pose.yaml"
    params:
        skeleton=pose_option("skeleton"),
    script:
        "../scripts/pose/rule_preview.py"


rule pose_text:
    input:
        planned(pose_receipts_of("text")),


rule pose_generate:
    input:
        planned(pose_receipts_of("generate")),


rule pose_render:
    input:
        planned(pose_receipts_of("render")),


rule pose_index:
    input:
        planned(pose_index_targets),


rule pose_previews:
    input:
        planned(pose_previews_targets),


# One pose of a caption: snakemake pose_one --config caption="A person waving".
rule pose_one:
    input:
        pose_one_targets,


rule all_pose:
    input:
        pose_targets,


rule pose_all:
    input:
        pose_targets,
