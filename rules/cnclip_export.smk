# Chinese CLIP, export: ONNX, FP16, INT8, TensorRT, the forms side by side, packages, and towers for phones.
CNCLIP_EXPORT = f"{CNCLIP_RESULTS}/exports/{{model}}"


localrules:
    all_cnclip,
    cnclip_all,
    cnclip_export,
    cnclip_export_mobile,
    cnclip_package,
    cnclip_demo,


@planned
def cnclip_model_path(wildcards):
    return str(places.model_folder(CONFIG, wildcards.model))


# TensorRT is tried where a GPU is; elsewhere export.json says why it is not there.
rule cnclip_export_model:
    input:
        model=cnclip_model_path,
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
        mem_mb=growing(6000),
    params:
        name=lambda wildcards: wildcards.model,
        forms=list(runs.EXPORTED_FORMS),
        gpus=CONFIG["gpus"],
        jobs_per_gpu=CNCLIP["jobs_per_gpu"],
    script:
        "../scripts/cnclip/compression/rule_export.py"


@planned
def cnclip_metrics_of_forms(wildcards):
    return inputs.evaluations(CONFIG, wildcards.model)


@planned
def cnclip_metrics_files(wildcards):
    folders = cnclip_metrics_of_forms(wildcards).values()
    return [f"{folder}/metrics.json" for folder in folders]


rule cnclip_forms:
    input:
        model=cnclip_model_path,
        export=CNCLIP_EXPORT,
        metrics=cnclip_metrics_files,
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
        mem_mb=growing(8000),
    params:
        evaluations=cnclip_metrics_of_forms,
        gpus=CONFIG["gpus"],
        jobs_per_gpu=CNCLIP["jobs_per_gpu"],
    script:
        "../scripts/cnclip/compression/rule_forms.py"


rule cnclip_package_model:
    input:
        model=cnclip_model_path,
        export=CNCLIP_EXPORT,
        metrics=cnclip_metrics_files,
    output:
        f"{CNCLIP_RESULTS}/packages/{{model}}.tar.gz",
    log:
        "logs/cnclip_package_model/{model}.log",
    conda:
        "../envs/cnclip.yaml"
    resources:
        mem_mb=growing(4000),
    params:
        name=lambda wildcards: wildcards.model,
    script:
        "../scripts/cnclip/compression/rule_package.py"


@planned
def cnclip_evaluated(wildcards):
    """Where the measurements that a package tells of can be done again."""
    return inputs.repeatable(CONFIG, wildcards.model)


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
        mem_mb=growing(8000),
    params:
        evaluated=cnclip_evaluated,
    script:
        "../scripts/cnclip/compression/rule_check_package.py"


@planned
def cnclip_mobile_features(wildcards):
    return inputs.mobile_features(CONFIG, wildcards.model)


rule cnclip_mobile:
    input:
        model=cnclip_model_path,
        export=CNCLIP_EXPORT,
        features=planned(
            lambda wildcards: [
                f"{folder}/facts.json"
                for folder in inputs.mobile_features(CONFIG, wildcards.model).values()
            ]
        ),
        texts=planned(lambda wildcards: inputs.mobile_texts(CONFIG)),
    output:
        towers=directory(f"{CNCLIP_RESULTS}/mobile/{{model}}"),
        table=f"{CNCLIP_RESULTS}/mobile/{{model}}.json",
        timings=f"{CNCLIP_RESULTS}/mobile/{{model}}.timings.json",
        figure=report(
            f"{CNCLIP_RESULTS}/mobile/{{model}}.png",
            category="cnclip",
            labels={"of": "{model}", "what": "on a phone"},
            caption="../docs/captions/cnclip_mobile.rst",
        ),
    log:
        "logs/cnclip_mobile/{model}.log",
    conda:
        "../envs/cnclip.yaml"
    resources:
        mem_mb=growing(8000),
    params:
        features=cnclip_mobile_features,
        seed=CNCLIP["seed"],
    script:
        "../scripts/cnclip/compression/rule_mobile.py"


@planned
def cnclip_mobile_targets(wildcards):
    return expand(
        f"{CNCLIP_RESULTS}/mobile/{{model}}{{kind}}",
        model=runs.mobile(CNCLIP),
        kind=("", ".json", ".png"),
    )


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


# What one shows and gives away: pictures with their texts, results, the model, a notebook.
rule cnclip_demo_bundle:
    input:
        unpack(planned(lambda wildcards: inputs.demo_inputs(CONFIG))),
    output:
        directory(f"{CNCLIP_RESULTS}/demo"),
    log:
        "logs/cnclip_demo_bundle.log",
    conda:
        "../envs/cnclip.yaml"
    resources:
        mem_mb=growing(4000),
    params:
        languages=planned(
            lambda wildcards: CNCLIP["datasets"][inputs.demo_dataset(CONFIG)][
                "languages"
            ]
        ),
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
        + cnclip_mobile_targets(wildcards)
    )


rule cnclip_export:
    input:
        cnclip_export_targets,


rule cnclip_export_mobile:
    input:
        cnclip_mobile_targets,


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
