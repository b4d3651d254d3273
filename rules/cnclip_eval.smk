# Chinese CLIP, evaluation: features, retrieval, classification without training, and the comparison of the models.
CNCLIP_EVAL = str(places.evaluation_folder(CONFIG, "{form}", "{dataset}"))
CNCLIP_FEATURES = places.feature_files(CONFIG, "{form}", "{dataset}", "{split}")
CNCLIP_LABELLED = places.zeroshot_files(CONFIG, "{form}", "{zeroshot}")


@planned
def cnclip_form_folder(wildcards):
    return str(places.model_folder(CONFIG, wildcards.form))


localrules:
    cnclip_eval,
    cnclip_zeroshot,
    cnclip_comparison,
    cnclip_languages,


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
        mem_mb=growing(3000, 200),
    params:
        n_shards=lambda wildcards: cnclip_n_shards(wildcards.dataset, wildcards.split),
        gpus=CONFIG["gpus"],
        jobs_per_gpu=cnclip_option("jobs_per_gpu"),
    script:
        "../scripts/cnclip/evaluation/rule_picture_features.py"


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
        texts=CNCLIP_TABLES["texts"],
    output:
        **CNCLIP_FEATURES,
    log:
        "logs/cnclip_features/{form}/{dataset}/{split}.log",
    benchmark:
        "logs/cnclip_features/{form}/{dataset}/{split}.benchmark.tsv"
    conda:
        "../envs/cnclip.yaml"
    resources:
        gpu=planned(lambda wildcards: cnclip_gpus(1)),
        mem_mb=growing(8000),
    params:
        gpus=CONFIG["gpus"],
        jobs_per_gpu=cnclip_option("jobs_per_gpu"),
        text_part=lambda wildcards: f"{CNCLIP_WORK}/features/{wildcards.form}/{wildcards.dataset}/{wildcards.split}/texts.npz",
    script:
        "../scripts/cnclip/evaluation/rule_features.py"


# Recall both ways, with the official prediction and score files beside.
rule cnclip_scores:
    input:
        unpack(
            planned(
                lambda wildcards: inputs.scores_inputs(
                    CONFIG, wildcards.form, wildcards.dataset
                )
            )
        ),
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
        mem_mb=growing(8000),
    params:
        split=planned(
            lambda wildcards: inputs.measured_split(CONFIG, wildcards.dataset)
        ),
        directions=cnclip_option("directions"),
        languages=cnclip_option("languages"),
        name=lambda wildcards: wildcards.form,
        seed=CNCLIP["seed"],
    script:
        "../scripts/cnclip/evaluation/rule_scores.py"


rule cnclip_zeroshot_predictions:
    input:
        model=cnclip_form_folder,
        pictures=lambda wildcards: str(places.zeroshot_root(CONFIG, wildcards.zeroshot)),
    output:
        **CNCLIP_LABELLED,
    log:
        "logs/cnclip_zeroshot_predictions/{form}/{zeroshot}.log",
    conda:
        "../envs/cnclip.yaml"
    threads: CNCLIP["workers"]
    resources:
        gpu=planned(lambda wildcards: cnclip_gpus(1)),
        mem_mb=growing(4000),
    params:
        templates=lambda wildcards: CNCLIP["zeroshot"][wildcards.zeroshot].get(
            "templates", ""
        ),
        gpus=CONFIG["gpus"],
        jobs_per_gpu=CNCLIP["jobs_per_gpu"],
        seed=CNCLIP["seed"],
    script:
        "../scripts/cnclip/evaluation/rule_zeroshot.py"


@planned
def cnclip_comparison_inputs(wildcards):
    return inputs.measurements(CONFIG, runs.compared(CNCLIP))


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
            form: runs.trained_on(CONFIG, form) for form in runs.compared(CNCLIP)
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
    forms, datasets = runs.compared(CNCLIP), inputs.measured_datasets(CONFIG)
    if not datasets or not forms:
        return []
    by_language = expand(
        f"{CNCLIP_EVAL}/figures/languages.png",
        form=[form for form in forms if runs.is_multilingual(CNCLIP, form)],
        dataset=[name for name in datasets if CNCLIP["datasets"][name]["languages"]],
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
        planned(lambda wildcards: cnclip_comparison_inputs(wildcards)["zeroshot"]),
