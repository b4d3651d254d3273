# FG-CLIP video anomaly detection, models: what trainings begin with, and the trainings.
FGCLIP_RUN = str(fgclip_places.run_folder(CONFIG, "{run}"))


@functools.cache
def fgclip_run(name):
    return fgclip_runs.run_options(CONFIG, name)


def fgclip_of_run(function):
    """What a function of a run gives, for the run of a job."""
    return planned(lambda wildcards: function(CONFIG, wildcards.run))


@planned
def fgclip_gate_of_run(wildcards):
    """A dataset of which too much failed is trained on by no run."""
    return FGCLIP_GATE.format(dataset=fgclip_run(wildcards.run)["dataset"])


def fgclip_gpus(wanted):
    return gpus_of_job(
        wanted,
        FGCLIP["jobs_per_gpu"],
        mend="fgclip: set processes: 1, and a smaller frame_chunk if memory is short",
    )


def fgclip_threads(wildcards):
    options = fgclip_run(wildcards.run)
    return options["processes"] * (1 + options["num_workers"])


def fgclip_run_files(run):
    """The outcome of a run, as a target."""
    folder = FGCLIP_RUN.format(run=run)
    return [
        f"{folder}/{file}" for file in ("model", "run.json", "figures/training.png")
    ]


localrules:
    fgclip_train,


# The CLIP that a training begins with: as a model of this system it is zero-shot CLIP.
rule fgclip_init:
    input:
        unpack(fgclip_of_run(fgclip_inputs.init_inputs)),
    output:
        directory(f"{FGCLIP_RUN}/init"),
    log:
        "logs/fgclip_init/{run}.log",
    conda:
        "../envs/fgclip.yaml"
    resources:
        mem_mb=growing(4000),
    params:
        settings=fgclip_of_run(fgclip_inputs.init_settings),
    script:
        "../scripts/fgclip/model/rule_init.py"


# With a frozen backbone, the features of all frames that trainings read, once; named by the network that gave them.
rule fgclip_features_run:
    input:
        init=f"{FGCLIP_RUN}/init",
        records=fgclip_of_run(fgclip_inputs.records),
        gate=fgclip_gate_of_run,
    output:
        made=f"{WORK}/fgclip/features/{{run}}.made",
    log:
        "logs/fgclip_features_run/{run}.log",
    benchmark:
        "logs/fgclip_features_run/{run}.benchmark.tsv"
    conda:
        "../envs/fgclip.yaml"
    threads: lambda wildcards: 1 + fgclip_run(wildcards.run)["num_workers"]
    resources:
        gpu=planned(lambda wildcards: fgclip_gpus(1)),
        mem_mb=growing(6000),
    params:
        features=fgclip_of_run(fgclip_inputs.features_root),
        num_frames=lambda wildcards: fgclip_run(wildcards.run)["num_frames"],
        frame_chunk=lambda wildcards: fgclip_run(wildcards.run)["frame_chunk"],
        gpus=CONFIG["gpus"],
        jobs_per_gpu=FGCLIP["jobs_per_gpu"],
    script:
        "../scripts/fgclip/training/rule_features.py"


# One training. Its checkpoints lie beside these files: killed, it goes on from the newest and ends with the same weights.
rule fgclip_train_run:
    input:
        unpack(fgclip_of_run(fgclip_inputs.train_inputs)),
        gate=fgclip_gate_of_run,
    output:
        model=directory(f"{FGCLIP_RUN}/model"),
        record=f"{FGCLIP_RUN}/run.json",
        figure=report(
            f"{FGCLIP_RUN}/figures/training.png",
            category="fgclip",
            labels={"of": "{run}", "what": "training"},
            caption="../docs/captions/fgclip_training.rst",
        ),
    log:
        "logs/fgclip_train_run/{run}.log",
    benchmark:
        "logs/fgclip_train_run/{run}.benchmark.tsv"
    conda:
        "../envs/fgclip.yaml"
    threads: fgclip_threads
    resources:
        gpu=planned(
            lambda wildcards: fgclip_gpus(fgclip_run(wildcards.run)["processes"])
        ),
        mem_mb=lambda wildcards, attempt: 8000
        * fgclip_run(wildcards.run)["processes"]
        * attempt,
    params:
        settings=lambda wildcards: fgclip_run(wildcards.run),
        gpus=CONFIG["gpus"],
        run_dir=lambda wildcards: FGCLIP_RUN.format(run=wildcards.run),
        features=fgclip_of_run(fgclip_inputs.features_root),
    script:
        "../scripts/fgclip/training/rule_train.py"


rule fgclip_train:
    input:
        [file for run in FGCLIP["runs"] for file in fgclip_run_files(run)],
