# The models that poses are made with: the official checkpoints as one file, and the toy of the demo.
from dataclasses import asdict

from scripts.pose.model_choice import (
    TINY,
    choose_model,
    models_dir,
    official_model,
    tiny_files,
    tiny_identity,
    tiny_model,
)
from scripts.pose.one import with_one_caption

POSE_CONFIG = with_one_caption(CONFIG)
POSE = POSE_CONFIG["pose"]
POSE_TINY_FIGURES = {
    name: f"{RESULTS}/pose_tiny/{name}.png" for name in ("training", "control")
}


@functools.cache
def pose_chosen_model(dataset):
    return choose_model(POSE_CONFIG, dataset)


@planned
def pose_model_file(wildcards):
    # Ancient, since plans say which model is wanted: a copy of it makes no pose again. But never one that a rule makes:
    # when that is made again, Snakemake leaves out jobs with nothing but ancient files of it, whatever else they lack.
    model = pose_chosen_model(wildcards.dataset)
    made_here = model.is_toy or model.official is not None
    return str(model.path) if made_here else ancient(str(model.path))


def pose_tiny_targets(wildcards):
    datasets = POSE["datasets"].values()
    trained = any(dataset.get("checkpoints") == TINY for dataset in datasets)
    return list(POSE_TINY_FIGURES.values()) if trained else []


# The official checkpoints as one file, once.
rule pose_convert:
    input:
        planned(
            lambda wildcards: [
                str(path)
                for path in official_model(
                    POSE_CONFIG, f"{wildcards.model}.safetensors"
                ).paths.values()
            ]
        ),
    output:
        f"{models_dir(CONFIG)}/{{model}}.safetensors",
    log:
        "logs/pose_convert/{model}.log",
    wildcard_constraints:
        model="(t2m|kit)-(sit|ddpm)-[0-9a-f]+",
    conda:
        "../envs/pose.yaml"
    resources:
        mem_mb=growing(4000),
    params:
        official=lambda wildcards: asdict(
            official_model(POSE_CONFIG, f"{wildcards.model}.safetensors")
        ),
    script:
        "../scripts/pose/rule_convert.py"


# The toy that the demo runs on: trained here, with the pictures that say how well.
rule pose_train_tiny:
    input:
        **tiny_files(POSE_CONFIG),
    output:
        model=str(tiny_model(CONFIG)),
        measured=f"{RESULTS}/pose_tiny/control.json",
        training=report(
            POSE_TINY_FIGURES["training"],
            category="pose",
            labels={"dataset": "tiny model", "what": "training"},
            caption="../docs/captions/pose_training.rst",
        ),
        control=report(
            POSE_TINY_FIGURES["control"],
            category="pose",
            labels={"dataset": "tiny model", "what": "control"},
            caption="../docs/captions/pose_control.rst",
        ),
    log:
        "logs/pose_train_tiny.log",
    conda:
        "../envs/pose.yaml"
    resources:
        mem_mb=growing(2000),
    params:
        identity=lambda wildcards: tiny_identity(POSE_CONFIG),
    script:
        "../scripts/pose/rule_train_tiny.py"
