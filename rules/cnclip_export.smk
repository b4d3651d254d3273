# Chinese CLIP, export: ONNX, FP16, INT8, TensorRT, the forms side by side, and packages that are loaded again.
CNCLIP_EXPORT = f"{CNCLIP_RESULTS}/exports/{{model}}"


localrules:
    all_cnclip,
    cnclip_all,
    cnclip_export,
    cnclip_package,
    cnclip_demo,


def cnclip_model_path(wildcards):
    return cnclip_of_form(wildcards.model)


# TensorRT is tried where a GPU is; elsewhere export.json says why it is not there.
rule cnclip_export_model:
    input:
        model=planned(cnclip_model_path),
    output:
        export=directory(CNCLIP_EXPORT),
    log:
        "logs/cnclip_export_model/{model}.log",
    benchmark:
        "logs/cnclip_export_model/{model}.benchmark.tsv"
    conda:
        "../envs/cnclip.yaml"
    resources:
        gpu=planned(lambda wildcards: cnclip_gpus(1)),
        mem_mb=12000,
    params:
        model=planned(cnclip_model_path),
        name=lambda wildcards: wildcards.model,
        forms=list(runs.EXPORTED_FORMS),
        gpus=CONFIG["gpus"],
        jobs_per_gpu=CNCLIP["jobs_per_gpu"],
    script:
        "../scripts/cnclip/compression/rule_export.py"


def cnclip_first_dataset():
    """The dataset that forms and packages are measured on; none where none has the split."""
    return cnclip_eval_datasets()[:1]


def cnclip_metrics_of_forms(wildcards):
    """The measurements of a model and its ONNX forms on the first dataset, by form."""
    names = {"torch": wildcards.model} | {
        form: f"{wildcards.model}.{form}" for form in runs.ONNX_FORMS
    }
    return {
        form: CNCLIP_EVAL.format(form=name, dataset=dataset)
        for dataset in cnclip_first_dataset()
        for form, name in names.items()
    }


def cnclip_metrics_files(wildcards):
    folders = cnclip_metrics_of_forms(wildcards).values()
    return [f"{folder}/metrics.json" for folder in folders]


rule cnclip_forms:
    input:
        model=planned(cnclip_model_path),
        export=CNCLIP_EXPORT,
        metrics=planned(cnclip_metrics_files),
    output:
        table=f"{CNCLIP_RESULTS}/forms/{{model}}.json",
        timings=f"{CNCLIP_RESULTS}/forms/{{model}}.timings.json",
        figure=report(
            f"{CNCLIP_RESULTS}/forms/{{model}}.png",
            category="cnclip",
            labels={"of": "{model}", "what": "forms side by side"},
            caption="../docs/captions/cnclip_forms.rst",
        ),
    log:
        "logs/cnclip_forms/{model}.log",
    conda:
        "../envs/cnclip.yaml"
    resources:
        gpu=planned(lambda wildcards: cnclip_gpus(1)),
        mem_mb=8000,
    params:
        model=planned(cnclip_model_path),
        evaluations=planned(cnclip_metrics_of_forms),
        gpus=CONFIG["gpus"],
        jobs_per_gpu=CNCLIP["jobs_per_gpu"],
    script:
        "../scripts/cnclip/compression/rule_forms.py"


rule cnclip_package_model:
    input:
        model=planned(cnclip_model_path),
        export=CNCLIP_EXPORT,
        metrics=planned(cnclip_metrics_files),
    output:
        f"{CNCLIP_RESULTS}/packages/{{model}}.tar.gz",
    log:
        "logs/cnclip_package_model/{model}.log",
    conda:
        "../envs/cnclip.yaml"
    resources:
        mem_mb=4000,
    params:
        model=planned(cnclip_model_path),
        name=lambda wildcards: wildcards.model,
    script:
        "../scripts/cnclip/compression/rule_package.py"


def cnclip_evaluated(wildcards):
    """Where each measurement that a package tells of can be done again."""
    found = []
    for dataset in cnclip_first_dataset():
        split = cnclip_split(dataset)
        for form, folder in cnclip_metrics_of_forms(wildcards).items():
            found.append(
                {
                    "dataset": dataset,
                    "form": form,
                    "tsv": str(places.pictures_file(CONFIG, dataset, split)),
                    "features": f"{folder}/features/{split}",
                }
                | {
                    name: path.format(dataset=dataset, split=split)
                    for name, path in CNCLIP_TABLES.items()
                }
            )
    return found


# The package loaded again from the archive alone; its features and its recall must be the same.
rule cnclip_check_package:
    input:
        package=f"{CNCLIP_RESULTS}/packages/{{model}}.tar.gz",
        evaluated=planned(
            lambda wildcards: [
                each[key] if key != "features" else f"{each[key]}/facts.json"
                for each in cnclip_evaluated(wildcards)
                for key in ("tsv", "pictures", "texts", "features")
            ]
        ),
    output:
        f"{CNCLIP_RESULTS}/packages/{{model}}.verified.json",
    log:
        "logs/cnclip_check_package/{model}.log",
    conda:
        "../envs/cnclip.yaml"
    resources:
        mem_mb=8000,
    params:
        evaluated=planned(cnclip_evaluated),
    script:
        "../scripts/cnclip/compression/rule_check_package.py"


@planned
def cnclip_export_targets(wildcards):
    return expand(
        f"{CNCLIP_RESULTS}/forms/{{model}}.{{kind}}",
        model=runs.exported(CNCLIP),
        kind=("json", "png"),
    )


def cnclip_package_targets(wildcards):
    return expand(
        f"{CNCLIP_RESULTS}/packages/{{model}}.{{kind}}",
        model=CNCLIP["package"],
        kind=("tar.gz", "verified.json"),
    )


@planned
def cnclip_demo_inputs(wildcards):
    """What the bundle shows: the model that is packed first, on the first dataset."""
    datasets, names = cnclip_eval_datasets(), CNCLIP["package"] or runs.compared(CNCLIP)
    if not datasets or not names:
        raise ConfigError(
            "cnclip_demo shows a model on a dataset: name both in cnclip.runs (or models) and cnclip.datasets"
        )
    dataset, split = datasets[0], cnclip_split(datasets[0])
    found = {
        name: path.format(dataset=dataset, split=split)
        for name, path in CNCLIP_TABLES.items()
    }
    languages = CNCLIP["datasets"][dataset]["languages"]
    return found | {
        "model": cnclip_of_form(runs.of_model(names[0])),
        "tsv": str(places.pictures_file(CONFIG, dataset, split)),
        "comparison": f"{CNCLIP_RESULTS}/comparison/comparison.csv",
        "translations": [
            str(places.texts_file(CONFIG, dataset, split, language))
            for language in languages
        ],
    }


# What one shows and gives away: pictures with their texts, results, the model, a notebook.
rule cnclip_demo_bundle:
    input:
        unpack(cnclip_demo_inputs),
    output:
        directory(f"{CNCLIP_RESULTS}/demo"),
    log:
        "logs/cnclip_demo_bundle.log",
    conda:
        "../envs/cnclip.yaml"
    resources:
        mem_mb=4000,
    params:
        languages=lambda wildcards: CNCLIP["datasets"][cnclip_eval_datasets()[0]][
            "languages"
        ],
        seed=CNCLIP["seed"],
    script:
        "../scripts/cnclip/demo/rule_demo_bundle.py"


@planned
def cnclip_targets(wildcards):
    if not CNCLIP["datasets"]:
        print(
            "cnclip: the configuration names no dataset, so there is nothing to make",
            file=sys.stderr,
        )
        return []
    return (
        cnclip_data_targets(wildcards)
        + cnclip_runs(lambda options: True)(wildcards)
        + cnclip_eval_targets(wildcards)
        + cnclip_export_targets(wildcards)
        + cnclip_package_targets(wildcards)
    )


rule cnclip_export:
    input:
        cnclip_export_targets,


rule cnclip_package:
    input:
        cnclip_package_targets,


rule cnclip_demo:
    input:
        f"{CNCLIP_RESULTS}/demo",


rule all_cnclip:
    input:
        cnclip_targets,


rule cnclip_all:
    input:
        cnclip_targets,
