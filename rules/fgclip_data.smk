# FG-CLIP video anomaly detection, data: captions translated, videos looked at, lists checked and made into records.
from scripts.fgclip import inputs as fgclip_inputs
from scripts.fgclip import places as fgclip_places
from scripts.fgclip import runs as fgclip_runs
from scripts.fgclip.data.options import DataOptions
from scripts.fgclip.stage import scores_stage, videos_stage

FGCLIP = CONFIG["fgclip"]
FGCLIP_RESULTS = f"{RESULTS}/fgclip/{{dataset}}"
FGCLIP_WORK = f"{WORK}/fgclip/{{dataset}}"
FGCLIP_RECEIPT = f"{FGCLIP_WORK}/videos/receipt/{{shard}}.json"
FGCLIP_RECORDS = f"{FGCLIP_RESULTS}/records.json"
FGCLIP_TEST = f"{FGCLIP_RESULTS}/test.json"
FGCLIP_SUMMARY = f"{FGCLIP_RESULTS}/summary.json"
FGCLIP_GATE = f"{FGCLIP_WORK}/gate/passed.json"
FGCLIP_DATA_FIGURES = {
    name: f"{FGCLIP_RESULTS}/figures/{name}.png"
    for name in ("annotated_frames", "classes", "test_intervals")
}


def fgclip_option(name):
    return lambda wildcards: FGCLIP["datasets"][wildcards.dataset][name]


@functools.cache
def fgclip_videos_stage(dataset):
    return videos_stage(CONFIG, dataset)


def fgclip_of_dataset(function):
    """What a function of a dataset gives, for the dataset of a job."""
    return planned(lambda wildcards: function(CONFIG, wildcards.dataset))


def fgclip_receipts_of(dataset):
    shards = PLANS.shards(fgclip_videos_stage(dataset))
    return expand(FGCLIP_RECEIPT, dataset=dataset, shard=shards)


@planned
def fgclip_validate_targets(wildcards):
    if not FGCLIP["datasets"]:
        print(
            "fgclip: the configuration names no dataset, so there is nothing to make",
            file=sys.stderr,
        )
    receipts = [r for name in FGCLIP["datasets"] for r in fgclip_receipts_of(name)]
    drawn = [name for name, d in FGCLIP["datasets"].items() if d["figures"]]
    figures = list(FGCLIP_DATA_FIGURES.values())
    return (
        receipts
        + expand([FGCLIP_RECORDS, FGCLIP_GATE], dataset=FGCLIP["datasets"])
        + expand(figures, dataset=drawn)
    )


def fgclip_report(path, what, caption, of="{dataset}"):
    """A file with its place in the report."""
    return report(
        path,
        category="fgclip",
        labels={"of": of, "what": what},
        caption=f"../docs/captions/{caption}.rst",
    )


localrules:
    fgclip_validate,
    fgclip_translate,
    fgclip_subset,
    fgclip_gate,
    fgclip_translate_lists,
    fgclip_validate_lists,
    fgclip_data_figures,
    fgclip_subset_items,


# Chinese captions by a reviewed table; what it lacks is written to todo.tsv.
rule fgclip_translate_lists:
    input:
        lists=fgclip_of_dataset(fgclip_inputs.given_lists),
        table=fgclip_option("translations"),
    output:
        translated=f"{FGCLIP_RESULTS}/translated.json",
        report=f"{FGCLIP_RESULTS}/translation_report.json",
    log:
        "logs/fgclip_translate_lists/{dataset}.log",
    conda:
        "../envs/fgclip.yaml"
    params:
        todo=f"{FGCLIP_RESULTS}/todo.tsv",
        on_missing=fgclip_option("on_missing"),
    script:
        "../scripts/fgclip/translation/rule_translate.py"


# Every video is decoded once: containers lie about frames, and all that follows is told in frames.
rule fgclip_videos_shard:
    input:
        plan=planned(
            lambda wildcards: PLANS.plan(
                fgclip_videos_stage(wildcards.dataset), wildcards.shard
            )
        ),
    output:
        receipt=FGCLIP_RECEIPT,
    log:
        "logs/fgclip_videos_shard/{dataset}/{shard}.log",
    benchmark:
        "logs/fgclip_videos_shard/{dataset}/{shard}.benchmark.tsv"
    conda:
        "../envs/fgclip.yaml"
    threads: fgclip_option("workers")
    resources:
        mem_mb=growing(500, 400),
    script:
        "../scripts/fgclip/data/rule_facts.py"


rule fgclip_validate_lists:
    input:
        unpack(fgclip_of_dataset(fgclip_inputs.validation_inputs)),
        plan=planned(
            lambda wildcards: PLANS.index(fgclip_videos_stage(wildcards.dataset))
        ),
        receipts=planned(lambda wildcards: fgclip_receipts_of(wildcards.dataset)),
    output:
        records=FGCLIP_RECORDS,
        test=FGCLIP_TEST,
        validation=f"{FGCLIP_RESULTS}/validation.json",
        page=fgclip_report(
            f"{FGCLIP_RESULTS}/validation.html", "validation", "fgclip_validation"
        ),
        failures=fgclip_report(
            f"{FGCLIP_RESULTS}/failures.csv", "failed items", "failures"
        ),
        summary=FGCLIP_SUMMARY,
    log:
        "logs/fgclip_validate_lists/{dataset}.log",
    conda:
        "../envs/fgclip.yaml"
    params:
        settings=lambda wildcards: DataOptions.from_mapping(
            FGCLIP["datasets"][wildcards.dataset]
        ).as_settings(),
    script:
        "../scripts/fgclip/data/rule_validate.py"


rule fgclip_gate:
    input:
        summary=FGCLIP_SUMMARY,
    output:
        mark=FGCLIP_GATE,
    log:
        "logs/fgclip_gate/{dataset}.log",
    params:
        max_failed_fraction=fgclip_option("max_failed_fraction"),
    script:
        "../scripts/shared/rule_gate.py"


rule fgclip_data_figures:
    input:
        records=FGCLIP_RECORDS,
        test=FGCLIP_TEST,
    output:
        **{
            name: fgclip_report(path, name.replace("_", " "), f"fgclip_{name}")
            for name, path in FGCLIP_DATA_FIGURES.items()
        },
    log:
        "logs/fgclip_data_figures/{dataset}.log",
    conda:
        "../envs/fgclip.yaml"
    params:
        seed=fgclip_option("seed"),
    script:
        "../scripts/fgclip/data/rule_data_figures.py"


# Some items of every class alike, for trials.
rule fgclip_subset_items:
    input:
        records=FGCLIP_RECORDS,
        gate=FGCLIP_GATE,
    output:
        f"{FGCLIP_RESULTS}/subsets/{{n}}.json",
    log:
        "logs/fgclip_subset_items/{dataset}/{n}.log",
    wildcard_constraints:
        n="[1-9][0-9]*",
    conda:
        "../envs/fgclip.yaml"
    params:
        seed=fgclip_option("seed"),
    script:
        "../scripts/fgclip/data/rule_subset.py"


rule fgclip_validate:
    input:
        fgclip_validate_targets,


rule fgclip_translate:
    input:
        planned(
            lambda wildcards: expand(
                f"{FGCLIP_RESULTS}/translated.json",
                dataset=[
                    name
                    for name in FGCLIP["datasets"]
                    if fgclip_inputs.is_translated(CONFIG, name)
                ],
            )
        ),


rule fgclip_subset:
    input:
        planned(
            lambda wildcards: [
                path
                for run in FGCLIP["runs"]
                if "/subsets/" in (path := fgclip_inputs.records(CONFIG, run))
            ]
        ),
