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


@functools.cache
def cnclip_run(name):
    return runs.run_options(CONFIG, name)


def cnclip_runs_with(multilingual):
    """The runs with one kind of text tower, as a pattern."""
    names = [
        name
        for name in CNCLIP["runs"]
        if runs.is_multilingual(CNCLIP, name) == multilingual
    ]
    return "|".join(names) or "$^"


def cnclip_threads(wildcards):
    options = cnclip_run(wildcards.run)
    return options["processes"] * (1 + options["loader_workers"])


def cnclip_gpus(wanted):
    return gpus_of_job(
        wanted,
        CNCLIP["jobs_per_gpu"],
        mend="cnclip: set processes: 1 and a chunk_size, which gives the same gradients",
    )


def cnclip_of_run(function):
    """What a function of a run gives, for the run of a job."""
    return planned(lambda wildcards: function(CONFIG, wildcards.run))


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
        mem_mb=growing(4000),
    params:
        trained_on=lambda wildcards: CNCLIP["models"][wildcards.model]["trained_on"],
    script:
        "../scripts/cnclip/model_files/rule_model.py"


# The weights that a training begins with.
rule cnclip_init:
    input:
        unpack(cnclip_of_run(inputs.init_inputs)),
    output:
        directory(f"{CNCLIP_RUN}/init"),
    log:
        "logs/cnclip_init/{run}.log",
    conda:
        "../envs/cnclip.yaml"
    resources:
        mem_mb=growing(4000),
    params:
        settings=cnclip_of_run(inputs.init_settings),
    script:
        "../scripts/cnclip/model_files/rule_init.py"


# One training. Its checkpoints lie beside these files: killed, it goes on from the newest and ends with the same weights.
rule cnclip_train_run:
    input:
        unpack(cnclip_of_run(inputs.train_inputs)),
    output:
        **CNCLIP_RUN_FILES,
    log:
        "logs/cnclip_train_run/{run}.log",
    benchmark:
        "logs/cnclip_train_run/{run}.benchmark.tsv"
    wildcard_constraints:
        run=cnclip_runs_with(multilingual=False),
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
        teacher=cnclip_of_run(inputs.teacher_place),
    script:
        "../scripts/cnclip/training/rule_train.py"


# The same for a multilingual text tower, which learns from captions alone.
rule cnclip_train_multilingual:
    input:
        unpack(cnclip_of_run(inputs.train_inputs)),
    output:
        **CNCLIP_RUN_FILES,
    log:
        "logs/cnclip_train_multilingual/{run}.log",
    benchmark:
        "logs/cnclip_train_multilingual/{run}.benchmark.tsv"
    wildcard_constraints:
        run=cnclip_runs_with(multilingual=True),
    conda:
        "../envs/cnclip.yaml"
    resources:
        gpu=planned(lambda wildcards: cnclip_gpus(1)),
        mem_mb=growing(6000),
    params:
        settings=lambda wildcards: cnclip_run(wildcards.run),
        trained_on=cnclip_of_run(runs.trained_on),
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
