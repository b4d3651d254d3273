# Chinese CLIP, evaluation: features, retrieval, classification without training, and the comparison of the models.
def cnclip_of_form(form):
    """What a model, or a form of it, is loaded from."""
    return str(places.model_folder(CONFIG, form))


@planned
def cnclip_form_folder(wildcards):
    return cnclip_of_form(wildcards.form)


localrules:
    cnclip_eval,
    cnclip_zeroshot,


rule cnclip_picture_features:
    input:
        model=cnclip_form_folder,
        tsv=cnclip_pictures,
        pictures=CNCLIP_TABLES["pictures"],
    output:
        f"{CNCLIP_WORK}/features/{{form}}/{{dataset}}/{{split}}/{{shard}}.npz",
    log:
        "logs/cnclip_picture_features/{form}/{dataset}/{split}/{shard}.log",
    benchmark:
        "logs/cnclip_picture_features/{form}/{dataset}/{split}/{shard}.benchmark.tsv"
    conda:
        "../envs/cnclip.yaml"
    threads: cnclip_option("workers")
    resources:
        gpu=planned(lambda wildcards: cnclip_gpus(1)),
        mem_mb=lambda wildcards, threads, attempt: (3000 + 200 * threads) * attempt,
    params:
        n_shards=lambda wildcards: cnclip_n_shards(wildcards.dataset, wildcards.split),
        gpus=CONFIG["gpus"],
        jobs_per_gpu=cnclip_option("jobs_per_gpu"),
    script:
        "../scripts/cnclip/evaluation/rule_picture_features.py"


rule cnclip_text_features:
    input:
        model=cnclip_form_folder,
        texts=CNCLIP_TABLES["texts"],
    output:
        f"{CNCLIP_WORK}/features/{{form}}/{{dataset}}/{{split}}/texts.npz",
    log:
        "logs/cnclip_text_features/{form}/{dataset}/{split}.log",
    conda:
        "../envs/cnclip.yaml"
    resources:
        gpu=planned(lambda wildcards: cnclip_gpus(1)),
        mem_mb=4000,
    params:
        gpus=CONFIG["gpus"],
        jobs_per_gpu=cnclip_option("jobs_per_gpu"),
    script:
        "../scripts/cnclip/evaluation/rule_text_features.py"


rule cnclip_features:
    input:
        model=cnclip_form_folder,
        pictures=lambda wildcards: expand(
            f"{CNCLIP_WORK}/features/{{form}}/{{dataset}}/{{split}}/{{shard}}.npz",
            form=wildcards.form,
            dataset=wildcards.dataset,
            split=wildcards.split,
            shard=cnclip_shards(wildcards.dataset, wildcards.split),
        ),
        texts=f"{CNCLIP_WORK}/features/{{form}}/{{dataset}}/{{split}}/texts.npz",
    output:
        **CNCLIP_FEATURES,
    log:
        "logs/cnclip_features/{form}/{dataset}/{split}.log",
    conda:
        "../envs/cnclip.yaml"
    resources:
        mem_mb=8000,
    script:
        "../scripts/cnclip/evaluation/rule_join_features.py"


def cnclip_split(dataset):
    """The split that models are measured on."""
    split = CNCLIP["datasets"][dataset]["split"]
    if split not in cnclip_splits(dataset):
        raise ConfigError(
            f"cnclip.datasets.{dataset}.split: there is no {split} split; "
            f"there are {', '.join(cnclip_splits(dataset))}"
        )
    return split


@planned
def cnclip_scores_inputs(wildcards):
    dataset, form = wildcards.dataset, wildcards.form
    split = cnclip_split(dataset)
    languages = CNCLIP["datasets"][dataset]["languages"]
    return cnclip_features(form, dataset, split) | {
        "texts": CNCLIP_TABLES["texts"].format(dataset=dataset, split=split),
        "pictures": CNCLIP_TABLES["pictures"].format(dataset=dataset, split=split),
        "tsv": str(places.pictures_file(CONFIG, dataset, split)),
        "model": cnclip_of_form(form),
        "languages": [
            str(places.texts_file(CONFIG, dataset, split, language))
            for language in languages
        ],
    }


# Recall both ways, with the official prediction and score files beside.
rule cnclip_scores:
    input:
        unpack(cnclip_scores_inputs),
    output:
        metrics=f"{CNCLIP_EVAL}/metrics.json",
        hits=f"{CNCLIP_EVAL}/hits.npz",
        examples=report(
            f"{CNCLIP_EVAL}/figures/examples.png",
            category="cnclip",
            labels={"of": "{form}, {dataset}", "what": "retrieval examples"},
            caption="../docs/captions/cnclip_examples.rst",
        ),
    log:
        "logs/cnclip_scores/{form}/{dataset}.log",
    conda:
        "../envs/cnclip.yaml"
    resources:
        mem_mb=8000,
    params:
        split=lambda wildcards: cnclip_split(wildcards.dataset),
        directions=cnclip_option("directions"),
        languages=cnclip_option("languages"),
        name=lambda wildcards: wildcards.form,
        seed=CNCLIP["seed"],
    script:
        "../scripts/cnclip/evaluation/rule_scores.py"


def cnclip_zeroshot_root(name):
    chosen = CNCLIP["zeroshot"][name]["root"]
    return f"{CNCLIP_DEMO}/zeroshot/subjects" if chosen == places.DEMO else chosen


rule cnclip_zeroshot_predictions:
    input:
        model=cnclip_form_folder,
        pictures=lambda wildcards: cnclip_zeroshot_root(wildcards.zeroshot),
    output:
        predictions=f"{CNCLIP_RESULTS}/zeroshot_predictions/{{form}}/{{zeroshot}}.json",
        metrics=f"{CNCLIP_RESULTS}/zeroshot_predictions/{{form}}/{{zeroshot}}.metrics.json",
    log:
        "logs/cnclip_zeroshot_predictions/{form}/{zeroshot}.log",
    conda:
        "../envs/cnclip.yaml"
    threads: CNCLIP["workers"]
    resources:
        gpu=planned(lambda wildcards: cnclip_gpus(1)),
        mem_mb=4000,
    params:
        templates=lambda wildcards: CNCLIP["zeroshot"][wildcards.zeroshot].get(
            "templates", ""
        ),
        gpus=CONFIG["gpus"],
        jobs_per_gpu=CNCLIP["jobs_per_gpu"],
        seed=CNCLIP["seed"],
    script:
        "../scripts/cnclip/evaluation/rule_zeroshot.py"


def cnclip_eval_datasets():
    """The datasets that have the split which models are measured on."""
    return [
        name
        for name, dataset in CNCLIP["datasets"].items()
        if dataset["split"] in cnclip_splits(name)
    ]


def cnclip_measured(forms):
    """The measurements of some models on every dataset and every set of labelled pictures."""
    return {
        "metrics": expand(
            f"{CNCLIP_EVAL}/metrics.json", form=forms, dataset=cnclip_eval_datasets()
        ),
        "zeroshot": expand(
            f"{CNCLIP_RESULTS}/zeroshot_predictions/{{form}}/{{zeroshot}}.metrics.json",
            form=forms,
            zeroshot=CNCLIP["zeroshot"],
        ),
    }


@planned
def cnclip_comparison_inputs(wildcards):
    return cnclip_measured(runs.compared(CNCLIP))


rule cnclip_comparison:
    input:
        unpack(cnclip_comparison_inputs),
    output:
        table=f"{CNCLIP_RESULTS}/comparison/comparison.json",
        csv=report(
            f"{CNCLIP_RESULTS}/comparison/comparison.csv",
            category="cnclip",
            labels={"of": "all models", "what": "comparison"},
            caption="../docs/captions/cnclip_comparison.rst",
        ),
        recall=report(
            f"{CNCLIP_RESULTS}/comparison/recall.png",
            category="cnclip",
            labels={"of": "all models", "what": "recall"},
            caption="../docs/captions/cnclip_recall.rst",
        ),
        zeroshot=report(
            f"{CNCLIP_RESULTS}/comparison/zeroshot.png",
            category="cnclip",
            labels={"of": "all models", "what": "classification"},
            caption="../docs/captions/cnclip_zeroshot.rst",
        ),
    log:
        "logs/cnclip_comparison.log",
    conda:
        "../envs/cnclip.yaml"
    params:
        baseline=CNCLIP.get("baseline", ""),
        trained_on=lambda wildcards: {
            form: runs.trained_on(CONFIG, form)
            for form in runs.compared(CNCLIP)
        },
        seed=CNCLIP["seed"],
    script:
        "../scripts/cnclip/evaluation/rule_comparison.py"


# Recall in each language of a set that has its texts in several.
rule cnclip_languages:
    input:
        metrics=f"{CNCLIP_EVAL}/metrics.json",
    output:
        figure=report(
            f"{CNCLIP_EVAL}/figures/languages.png",
            category="cnclip",
            labels={"of": "{form}, {dataset}", "what": "recall by language"},
            caption="../docs/captions/cnclip_languages.rst",
        ),
    log:
        "logs/cnclip_languages/{form}/{dataset}.log",
    conda:
        "../envs/cnclip.yaml"
    script:
        "../scripts/cnclip/multilingual/rule_languages.py"


@planned
def cnclip_eval_targets(wildcards):
    forms = runs.compared(CNCLIP)
    if not cnclip_eval_datasets() or not forms:
        return []
    several = [
        name for name in cnclip_eval_datasets() if CNCLIP["datasets"][name]["languages"]
    ]
    by_language = expand(
        f"{CNCLIP_EVAL}/figures/languages.png",
        form=[form for form in forms if runs.is_multilingual(CONFIG, form)],
        dataset=several,
    )
    return by_language + [
        f"{CNCLIP_RESULTS}/comparison/{name}"
        for name in ("comparison.json", "comparison.csv", "recall.png", "zeroshot.png")
    ]


rule cnclip_eval:
    input:
        cnclip_eval_targets,


rule cnclip_zeroshot:
    input:
        planned(lambda wildcards: cnclip_measured(runs.compared(CNCLIP))["zeroshot"]),
