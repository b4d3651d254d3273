# Chinese CLIP, data: TSV and JSON Lines checked picture by picture, then an LMDB a split in the official layout.
from scripts.cnclip import inputs, places, runs

CNCLIP = CONFIG["cnclip"]
CNCLIP_RESULTS = str(places.results(CONFIG))
CNCLIP_DATA = str(places.data_folder(CONFIG, "{dataset}"))
CNCLIP_WORK = f"{WORK}/cnclip"
CNCLIP_DEMO = str(places.demo_root(CONFIG))
CNCLIP_CHECKED = f"{CNCLIP_WORK}/data/{{dataset}}/{{split}}/checked/{{shard}}.jsonl"
CNCLIP_TABLES = places.tables(CONFIG, "{dataset}", "{split}")
CNCLIP_LMDB = str(places.lmdb_folder(CONFIG, "{dataset}", "{split}"))


wildcard_constraints:
    split="train|valid|test",
    run="[A-Za-z0-9_-]+",
    model="[A-Za-z0-9_-]+",
    form=rf"[A-Za-z0-9_-]+(\.({'|'.join([runs.INIT, *runs.EXPORTED_FORMS])}))?",
    zeroshot="[A-Za-z0-9_-]+",


def cnclip_option(name):
    return lambda wildcards: CNCLIP["datasets"][wildcards.dataset][name]


@functools.cache
def cnclip_splits(dataset):
    return places.splits(CONFIG, dataset)


@functools.cache
def cnclip_n_shards(dataset, split):
    return places.n_shards(CONFIG, dataset, split)


def cnclip_shards(dataset, split):
    return [f"{shard:05d}" for shard in range(cnclip_n_shards(dataset, split))]


@planned
def cnclip_pictures(wildcards):
    return str(places.pictures_file(CONFIG, wildcards.dataset, wildcards.split))


@planned
def cnclip_texts(wildcards):
    return str(places.texts_file(CONFIG, wildcards.dataset, wildcards.split))


@planned
def cnclip_split_checks(wildcards):
    """The receipts of a split's picture checks."""
    # Before anything is written below it.
    if plan_mode().plans and plan_mode().scratch is None:
        places.link_data(CONFIG, wildcards.dataset)
    shards = cnclip_shards(wildcards.dataset, wildcards.split)
    return expand(CNCLIP_CHECKED, **dict(wildcards.items()), shard=shards)


def cnclip_of_splits(path):
    """A file of every split of a dataset."""
    return planned(
        lambda wildcards: expand(
            path,
            dataset=wildcards.dataset,
            split=cnclip_splits(wildcards.dataset),
        )
    )


def cnclip_data_targets(wildcards):
    found = []
    for dataset in CNCLIP["datasets"]:
        found += expand(
            [f"{CNCLIP_DATA}/summary.json", f"{CNCLIP_DATA}/figures/samples.png"],
            dataset=dataset,
        )
        found += expand(
            CNCLIP_LMDB, dataset=dataset, split=cnclip_splits(dataset)
        ) + expand(f"{CNCLIP_WORK}/data/{{dataset}}/gate/passed.json", dataset=dataset)
    return found


def cnclip_report(path, what, caption):
    """A file with its place in the report."""
    return report(
        path,
        category="cnclip",
        labels={"of": "{dataset}", "what": what},
        caption=f"../docs/captions/{caption}.rst",
    )


localrules:
    cnclip_data,
    cnclip_gate,
    cnclip_data_figures,


# The demo's set: products photographed for Python packages, on coloured cards.
rule cnclip_demo_data:
    output:
        *expand(
            f"{CNCLIP_DEMO}/{{split}}_{{kind}}",
            split=places.SPLITS,
            kind=("imgs.tsv", "texts.jsonl"),
        ),
        *expand(f"{CNCLIP_DEMO}/{{split}}_texts.en.jsonl", split=("valid", "test")),
        parallel=f"{CNCLIP_DEMO}/parallel.jsonl",
        zeroshot=directory(f"{CNCLIP_DEMO}/zeroshot/subjects"),
        credits=f"{CNCLIP_DEMO}/{places.CREDITS}",
    log:
        "logs/cnclip_demo_data.log",
    conda:
        "../envs/cnclip.yaml"
    params:
        seed=CNCLIP["seed"],
    script:
        "../scripts/cnclip/data/rule_demo_data.py"


# A split that came as LMDB alone: the TSV and JSON Lines that it was once made from.
rule cnclip_unpack:
    input:
        lambda wildcards: expand(
            places.root(CONFIG, wildcards.dataset)
            / "lmdb"
            / wildcards.split
            / "{part}"
            / "data.mdb",
            part=("pairs", "imgs"),
        ),
    output:
        pictures=f"{CNCLIP_DATA}/unpacked/{{split}}_imgs.tsv",
        texts=f"{CNCLIP_DATA}/unpacked/{{split}}_texts.jsonl",
    log:
        "logs/cnclip_unpack/{dataset}/{split}.log",
    conda:
        "../envs/cnclip.yaml"
    script:
        "../scripts/cnclip/data/rule_unpack.py"


rule cnclip_check_pictures:
    input:
        cnclip_pictures,
    output:
        CNCLIP_CHECKED,
    log:
        "logs/cnclip_check_pictures/{dataset}/{split}/{shard}.log",
    benchmark:
        "logs/cnclip_check_pictures/{dataset}/{split}/{shard}.benchmark.tsv"
    conda:
        "../envs/cnclip.yaml"
    threads: cnclip_option("workers")
    resources:
        mem_mb=growing(500, 200),
    params:
        n_shards=lambda wildcards: cnclip_n_shards(wildcards.dataset, wildcards.split),
    script:
        "../scripts/cnclip/data/rule_check_pictures.py"


# What a split holds that is whole: its pictures, by their places in the TSV, and its texts.
rule cnclip_tables:
    input:
        checked=cnclip_split_checks,
        texts=cnclip_texts,
    output:
        **CNCLIP_TABLES,
        rest=f"{CNCLIP_WORK}/data/{{dataset}}/{{split}}/rest.json",
    log:
        "logs/cnclip_tables/{dataset}/{split}.log",
    conda:
        "../envs/cnclip.yaml"
    resources:
        mem_mb=growing(4000),
    script:
        "../scripts/cnclip/data/rule_tables.py"


# The dataset as a whole: what was left out and why, and pictures that two splits share.
rule cnclip_join_checks:
    input:
        pictures=cnclip_of_splits(CNCLIP_TABLES["pictures"]),
        rest=cnclip_of_splits(f"{CNCLIP_WORK}/data/{{dataset}}/{{split}}/rest.json"),
    output:
        failures=cnclip_report(
            f"{CNCLIP_DATA}/failures.csv", "left-out pictures and texts", "failures"
        ),
        leakage=cnclip_report(
            f"{CNCLIP_DATA}/leakage.csv", "shared by two splits", "cnclip_leakage"
        ),
        summary=f"{CNCLIP_DATA}/summary.json",
    log:
        "logs/cnclip_join_checks/{dataset}.log",
    conda:
        "../envs/cnclip.yaml"
    resources:
        mem_mb=growing(4000),
    params:
        splits=lambda wildcards: cnclip_splits(wildcards.dataset),
    script:
        "../scripts/cnclip/data/rule_join_checks.py"


rule cnclip_gate:
    input:
        summary=f"{CNCLIP_DATA}/summary.json",
    output:
        mark=f"{CNCLIP_WORK}/data/{{dataset}}/gate/passed.json",
    log:
        "logs/cnclip_gate/{dataset}.log",
    params:
        max_failed_fraction=cnclip_option("max_failed_fraction"),
    script:
        "../scripts/shared/rule_gate.py"


rule cnclip_lmdb:
    input:
        **CNCLIP_TABLES,
        tsv=cnclip_pictures,
    output:
        directory(CNCLIP_LMDB),
    log:
        "logs/cnclip_lmdb/{dataset}/{split}.log",
    benchmark:
        "logs/cnclip_lmdb/{dataset}/{split}.benchmark.tsv"
    conda:
        "../envs/cnclip.yaml"
    resources:
        mem_mb=growing(4000),
    script:
        "../scripts/cnclip/data/rule_lmdb.py"


rule cnclip_data_figures:
    input:
        summary=f"{CNCLIP_DATA}/summary.json",
        tsv=planned(
            lambda wildcards: [
                str(places.pictures_file(CONFIG, wildcards.dataset, split))
                for split in cnclip_splits(wildcards.dataset)
            ]
        ),
        pictures=cnclip_of_splits(CNCLIP_TABLES["pictures"]),
        texts=cnclip_of_splits(CNCLIP_TABLES["texts"]),
    output:
        samples=cnclip_report(
            f"{CNCLIP_DATA}/figures/samples.png", "samples", "cnclip_samples"
        ),
        overview=cnclip_report(
            f"{CNCLIP_DATA}/figures/overview.png", "overview", "cnclip_overview"
        ),
    log:
        "logs/cnclip_data_figures/{dataset}.log",
    conda:
        "../envs/cnclip.yaml"
    params:
        splits=lambda wildcards: cnclip_splits(wildcards.dataset),
        seed=CNCLIP["seed"],
    script:
        "../scripts/cnclip/data/rule_data_figures.py"


rule cnclip_data:
    input:
        planned(cnclip_data_targets),
