# Chinese CLIP, models: official checkpoints as model folders, and the trainings.


CNCLIP_RUN = f"{CNCLIP_RESULTS}/runs/{{run}}"
CNCLIP_RUN_FILES = {
    "model": directory(f"{CNCLIP_RUN}/model"),
    "record": f"{CNCLIP_RUN}/run.json",
    "figure": report(
        f"{CNCLIP_RUN}/figures/training.png",
        category="cnclip",
        labels={"of": "{run}", "what": "training"},
        caption="../docs/captions/training.rst",
    ),
}
CNCLIP_EVAL = f"{CNCLIP_RESULTS}/eval/{{form}}/{{dataset}}"
CNCLIP_FEATURES = {
    name.partition(".")[0]: f"{CNCLIP_EVAL}/features/{{split}}/{name}"
    for name in (
        "image_ids.npy",
        "image_features.npy",
        "text_ids.npy",
        "text_features.npy",
        "facts.json",
    )
}


@functools.cache
def cnclip_run(name):
    return runs.run_options(CONFIG, name)


def cnclip_runs_with(text_tower):
    """The runs with one kind of text tower, as a pattern."""
    names = [
        name
        for name, run in CNCLIP["runs"].items()
        if run.get("text_tower", "roberta") == text_tower
    ]
    return "|".join(names) or "$^"


def cnclip_threads(wildcards):
    options = cnclip_run(wildcards.run)
    return options["processes"] * (1 + options["loader_workers"])


def cnclip_gpus(wanted):
    """GPUs of a job that takes `wanted` where there are GPUs, else 0."""
    if not job_gpus(CNCLIP["jobs_per_gpu"]):
        return 0
    if not workflow.non_local_exec and workflow.is_main_process:
        room = gpu_room(CNCLIP["jobs_per_gpu"])
        if room < wanted:
            raise ConfigError(
                f"cnclip: a run takes {wanted} GPUs (processes), and there are {room}; "
                "set processes: 1 and a chunk_size, which gives the same gradients"
            )
    return wanted


@planned
def cnclip_init_inputs(wildcards):
    """What a training begins with; nothing where the weights are fresh."""
    options = cnclip_run(wildcards.run)
    init = options["init"]
    found = {}
    if isinstance(init, dict):
        found = dict(init)
    elif init != runs.RANDOM:
        found = {"model": str(places.model_folder(CONFIG, init))}
    if options.get("prune", {}).get("criterion") == "activation":
        found["lmdb"] = cnclip_lmdb(options["dataset"], "train")
    return found


def cnclip_init_settings(wildcards):
    options = cnclip_run(wildcards.run)
    keys = ("architecture", "context_length", "prune", "seed")
    settings = {key: options[key] for key in keys if key in options}
    return settings | {
        "name": f"{wildcards.run}.init",
        "trained_on": runs.trained_on(CONFIG, f"{wildcards.run}.init"),
    }


def cnclip_lmdb(dataset, split):
    return CNCLIP_LMDB.format(dataset=dataset, split=split)


def cnclip_features(model, dataset, split):
    """The five files of the features that a model gives of a split."""
    return {
        name: path.format(form=model, dataset=dataset, split=split)
        for name, path in CNCLIP_FEATURES.items()
    }


@planned
def cnclip_train_inputs(wildcards):
    options = cnclip_run(wildcards.run)
    dataset, kd = options["dataset"], options["kd"]
    there = cnclip_splits(dataset)
    if "train" not in there:
        raise ConfigError(
            f"cnclip.runs.{wildcards.run}.dataset: {dataset} has no train split"
        )
    found = {"init": f"{CNCLIP_RUN}/init".format(run=wildcards.run)}
    if options["text_tower"] == "multilingual":
        found["parallel"] = cnclip_parallel(options["parallel"])
        return found
    found["train"] = cnclip_lmdb(dataset, "train")
    if "valid" in there:
        found["valid"] = cnclip_lmdb(dataset, "valid")
    if kd["name"] != "none":
        found["teacher"] = cnclip_teacher_files(wildcards.run, kd, dataset)
    return found


def cnclip_parallel(path):
    return f"{CNCLIP_DEMO}/parallel.jsonl" if path == places.DEMO else path


def cnclip_teacher_files(run, kd, dataset):
    """The files that a student learns from."""
    place = cnclip_teacher_path(run, kd, dataset)
    if place.endswith("/features/train"):
        return list(cnclip_features(kd["teacher"], dataset, "train").values())
    return [place]


def cnclip_teacher_path(run, kd, dataset):
    """Where they lie: stored features, a model that runs beside, or the folder of the features that it gives."""
    teacher = kd["teacher"]
    stored = CNCLIP["models"].get(teacher, {}).get("features", {})
    if dataset in stored:
        return stored[dataset]
    runs.check_model(CNCLIP, teacher, f"cnclip.runs.{run}.kd.teacher")
    if kd["online"]:
        return str(places.model_folder(CONFIG, teacher))
    return CNCLIP_EVAL.format(form=teacher, dataset=dataset) + "/features/train"


def cnclip_teacher_place(wildcards):
    options = cnclip_run(wildcards.run)
    kd = options["kd"]
    return (
        cnclip_teacher_path(wildcards.run, kd, options["dataset"])
        if kd["name"] != "none"
        else ""
    )


localrules:
    cnclip_train,
    cnclip_distill,
    cnclip_prune,


# An official checkpoint as a model folder.
rule cnclip_model:
    input:
        lambda wildcards: CNCLIP["models"][wildcards.model]["weights"],
    output:
        directory(f"{CNCLIP_RESULTS}/models/{{model}}"),
    log:
        "logs/cnclip_model/{model}.log",
    conda:
        "../envs/cnclip.yaml"
    resources:
        mem_mb=10000,
    params:
        trained_on=lambda wildcards: CNCLIP["models"][wildcards.model]["trained_on"],
    script:
        "../scripts/cnclip/model_files/rule_model.py"


# The weights that a training begins with.
rule cnclip_init:
    input:
        unpack(cnclip_init_inputs),
    output:
        directory(f"{CNCLIP_RUN}/init"),
    log:
        "logs/cnclip_init/{run}.log",
    conda:
        "../envs/cnclip.yaml"
    resources:
        mem_mb=10000,
    params:
        settings=cnclip_init_settings,
    script:
        "../scripts/cnclip/model_files/rule_init.py"


# One training. Its checkpoints lie beside these files: killed, it goes on from the newest and ends with the same weights.
rule cnclip_train_run:
    input:
        unpack(cnclip_train_inputs),
    output:
        **CNCLIP_RUN_FILES,
    log:
        "logs/cnclip_train_run/{run}.log",
    benchmark:
        "logs/cnclip_train_run/{run}.benchmark.tsv"
    wildcard_constraints:
        run=cnclip_runs_with("roberta"),
    conda:
        "../envs/cnclip.yaml"
    threads: cnclip_threads
    resources:
        gpu=planned(
            lambda wildcards: cnclip_gpus(cnclip_run(wildcards.run)["processes"])
        ),
        mem_mb=lambda wildcards, attempt: 6000
        * cnclip_run(wildcards.run)["processes"]
        * attempt,
    params:
        settings=lambda wildcards: cnclip_run(wildcards.run),
        gpus=CONFIG["gpus"],
        run_dir=lambda wildcards: CNCLIP_RUN.format(run=wildcards.run),
        teacher=planned(cnclip_teacher_place),
    script:
        "../scripts/cnclip/training/rule_train.py"


# The same for a multilingual text tower, which learns from captions alone.
rule cnclip_train_multilingual:
    input:
        unpack(cnclip_train_inputs),
    output:
        **CNCLIP_RUN_FILES,
    log:
        "logs/cnclip_train_multilingual/{run}.log",
    benchmark:
        "logs/cnclip_train_multilingual/{run}.benchmark.tsv"
    wildcard_constraints:
        run=cnclip_runs_with("multilingual"),
    conda:
        "../envs/cnclip.yaml"
    resources:
        gpu=planned(lambda wildcards: cnclip_gpus(1)),
        mem_mb=6000,
    params:
        settings=lambda wildcards: cnclip_run(wildcards.run),
        trained_on=lambda wildcards: runs.trained_on(CONFIG, wildcards.run),
        gpus=CONFIG["gpus"],
        jobs_per_gpu=CNCLIP["jobs_per_gpu"],
        run_dir=lambda wildcards: CNCLIP_RUN.format(run=wildcards.run),
    script:
        "../scripts/cnclip/multilingual/rule_train_multilingual.py"


def cnclip_runs(chosen):
    """Target: the outcome of the runs that fit."""

    def outcomes(wildcards):
        return [
            f"{CNCLIP_RUN}/{file}".format(run=run)
            for run in CNCLIP["runs"]
            if chosen(cnclip_run(run))
            for file in ("model", "run.json", "figures/training.png")
        ]

    return planned(outcomes)


rule cnclip_train:
    input:
        cnclip_runs(lambda options: True),


rule cnclip_distill:
    input:
        cnclip_runs(lambda options: options["kd"]["name"] != "none"),


rule cnclip_prune:
    input:
        cnclip_runs(lambda options: "prune" in options),
