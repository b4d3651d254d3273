# Search: folders of pictures and videos to vectors, and to the index that the page answers from.
from dataclasses import asdict

from scripts.search import places as search_places
from scripts.search.encoders.choice import choose_encoder
from scripts.search.stage import key_of_vectors, vectors_stage

SEARCH = CONFIG["search"]
SEARCH_RESULTS = f"{RESULTS}/search/{{dataset}}"
SEARCH_WORK = f"{WORK}/search/{{dataset}}"
SEARCH_RECEIPT = f"{SEARCH_WORK}/vectors/receipt/{{shard}}.json"
SEARCH_CAPTIONS = f"{SEARCH_WORK}/captions.npz"
SEARCH_INDEX = {
    "failures": f"{SEARCH_RESULTS}/failures.csv",
    "summary": f"{SEARCH_RESULTS}/summary.json",
}
SEARCH_FIGURES = {
    name: f"{SEARCH_RESULTS}/figures/{name}.png"
    for name in ("failures_by_class", "throughput")
}
SEARCH_GATE = f"{SEARCH_WORK}/gate/passed.json"


def search_option(name):
    return lambda wildcards: SEARCH["datasets"][wildcards.dataset].get(name)


@functools.cache
def search_stage(dataset):
    return vectors_stage(CONFIG, dataset)


@functools.cache
def search_choice(dataset):
    options = SEARCH["datasets"][dataset]
    return choose_encoder(CONFIG, options["encoder"], options.get("model", ""))


def search_gpu(wildcards):
    """GPUs that a shard's job takes: none for ONNX, whose small forms are made for the CPU."""
    if SEARCH["datasets"][wildcards.dataset]["encoder"] == "onnx":
        return 0
    return job_gpus(max(d["jobs_per_gpu"] for d in SEARCH["datasets"].values()))


@planned
def search_shard_plan(wildcards):
    plan = PLANS.plan(search_stage(wildcards.dataset), wildcards.shard)
    # Asks for resources come after Snakemake has fixed their totals, and this one brings its own.
    search_gpu(wildcards)
    return plan


@planned
def search_sample_plan(wildcards):
    stage = search_stage(wildcards.dataset)
    plan = PLANS.single(stage, key_of_vectors(stage, wildcards.asset))
    return ancient(str(plan.path)) if plan.current else str(plan.path)


def search_receipts_of(dataset):
    shards = PLANS.shards(search_stage(dataset))
    return expand(SEARCH_RECEIPT, dataset=dataset, shard=shards)


# What rules make of the encoder: the folder of a model that was trained or converted here.
search_model = planned(lambda wildcards: list(search_choice(wildcards.dataset).needs))


def search_captions_input(wildcards):
    """The encoded captions of a dataset that has some."""
    has_some = "captions" in SEARCH["datasets"][wildcards.dataset]
    return {"captions": SEARCH_CAPTIONS} if has_some else {}


@planned
def search_targets(wildcards):
    if not SEARCH["datasets"]:
        print(
            "search: the configuration names no dataset, so there is nothing to make",
            file=sys.stderr,
        )
    receipts = [r for name in SEARCH["datasets"] for r in search_receipts_of(name)]
    made = [*SEARCH_INDEX.values(), *SEARCH_FIGURES.values(), SEARCH_GATE]
    return receipts + expand(made, dataset=SEARCH["datasets"])


def search_report(path, what, caption):
    """A file with its place in the report."""
    return report(
        path,
        category="search",
        labels={"dataset": "{dataset}", "what": what},
        caption=f"../docs/captions/{caption}.rst",
    )


# That of one asset too: its name may hold what a cluster's jobs cannot be told, see the poses.
localrules:
    all_search,
    search_all,
    search_index,
    search_gate,
    search_captions,
    search_notebook,
    search_notebook_file,
    search_sample,


rule search_vectors:
    input:
        plan=search_shard_plan,
        model=search_model,
    output:
        receipt=SEARCH_RECEIPT,
    log:
        "logs/search_vectors/{dataset}/{shard}.log",
    benchmark:
        "logs/search_vectors/{dataset}/{shard}.benchmark.tsv"
    conda:
        "../envs/search.yaml"
    threads: search_option("workers")
    resources:
        gpu=planned(search_gpu),
        mem_mb=growing(1000, 1500),
    script:
        "../scripts/search/rule_vectors.py"


# The vectors of one asset by their path, from the same plan and to the same ledger.
rule search_sample:
    input:
        plan=search_sample_plan,
        model=search_model,
    output:
        f"{SEARCH_RESULTS}/vectors/{{asset}}.npz",
    log:
        "logs/search_sample/{dataset}/{asset}.log",
    wildcard_constraints:
        asset=".+",
    conda:
        "../envs/search.yaml"
    script:
        "../scripts/search/rule_vectors.py"


# What people say of some assets: how like it the encoder finds them tells from which score on something fits.
rule search_captions:
    input:
        captions=search_option("captions"),
        model=search_model,
    output:
        SEARCH_CAPTIONS,
    log:
        "logs/search_captions/{dataset}.log",
    conda:
        "../envs/search.yaml"
    params:
        choice=planned(lambda wildcards: asdict(search_choice(wildcards.dataset))),
    script:
        "../scripts/search/rule_captions.py"


# The whole index, beside the one that the server reads, and then in its place: as an output Snakemake would take the old
# one away first. The plan of the index asks for another one where it is gone.
rule search_database:
    input:
        unpack(search_captions_input),
        plan=planned(lambda wildcards: PLANS.index(search_stage(wildcards.dataset))),
        receipts=planned(lambda wildcards: search_receipts_of(wildcards.dataset)),
    output:
        **{
            name: search_report(path, name.replace("_", " "), name)
            for name, path in SEARCH_FIGURES.items()
        },
        failures=search_report(SEARCH_INDEX["failures"], "failed files", "failures"),
        summary=SEARCH_INDEX["summary"],
    log:
        "logs/search_database/{dataset}.log",
    conda:
        "../envs/search.yaml"
    resources:
        mem_mb=growing(4000),  # a million assets
    params:
        database=lambda wildcards: str(
            search_places.database_file(CONFIG, wildcards.dataset)
        ),
    script:
        "../scripts/search/rule_index.py"


rule search_gate:
    input:
        summary=SEARCH_INDEX["summary"],
    output:
        mark=SEARCH_GATE,
    log:
        "logs/search_gate/{dataset}.log",
    params:
        max_failed_fraction=search_option("max_failed_fraction"),
    script:
        "../scripts/shared/rule_gate.py"


# For who asks the index in Python: it runs below the folder that snakemake runs in.
rule search_notebook_file:
    output:
        f"{SEARCH_RESULTS}/search.ipynb",
    log:
        "logs/search_notebook/{dataset}.log",
    params:
        config=os.path.relpath(workflow.configfiles[-1]),
    script:
        "../scripts/search/rule_notebook.py"


rule search_notebook:
    input:
        expand(rules.search_notebook_file.output, dataset=SEARCH["datasets"]),


rule search_index:
    input:
        search_targets,


rule all_search:
    input:
        search_targets,


rule search_all:
    input:
        search_targets,
