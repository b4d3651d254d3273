"""What the configuration's trainings mean together: presets, defaults, and the models that come of them. Light.

A **form** names a model: `full` is what the run of that name has learnt, `full.init` what it began with, which is
zero-shot CLIP, and `full.epoch5` what it knew after five epochs, where that was kept.
"""

from collections.abc import Mapping
from typing import Any

from scripts.fgclip.training.options import run_options as training_options
from scripts.shared.errors import ConfigError
from scripts.shared.run_presets import check_preset, preset_of, with_preset

INIT, EPOCH = "init", "epoch"
# Options of a run's dataset that its training needs too.
_OF_THE_DATASET = ("max_regions",)


def run_options(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """All options of one run: its own, else its preset's, else the defaults.

    Args:
        config: the whole configuration, as `load_config` gives it.
        name: of the run.

    Raises:
        ConfigError: it names a preset or dataset that does not exist, has no CLIP to begin with, or its options do not
            go together.
    """
    fgclip = config["fgclip"]
    where, own = f"fgclip.runs.{name}", fgclip["runs"][name]
    options = with_preset("fgclip", own, preset_of("fgclip", name, own, otherwise="full"), seed=fgclip["seed"])
    check_preset("fgclip", name, options["preset"])
    if options["dataset"] not in fgclip["datasets"]:
        there = ", ".join(fgclip["datasets"]) or "none"
        raise ConfigError(f"{where}.dataset: no dataset {options['dataset']!r}; there are {there}")
    dataset = fgclip["datasets"][options["dataset"]]
    if "clip" not in options and "clip" not in dataset:
        raise ConfigError(
            f"{where}: there is no CLIP to begin with; set fgclip.clip to a folder in Hugging Face layout, such as "
            "clip-vit-base-patch32"
        )
    options = {"clip": dataset.get("clip"), **options, **{key: dataset[key] for key in _OF_THE_DATASET}}
    training_options(name, options)
    return options


def epochs_kept(config: Mapping[str, Any], run: str) -> list[int]:
    """The epochs of which a run keeps the model, beside its outcome.

    Raises:
        ConfigError: see `run_options`; or they are not known before the training.
    """
    options = training_options(run, run_options(config, run))
    if options.max_steps and options.checkpoints != "last":
        raise ConfigError(
            f"fgclip.runs.{run}.checkpoints: max_steps: {options.max_steps} ends this training, so its epochs are not "
            "known; set max_steps: 0, or leave out checkpoints"
        )
    return options.kept_epochs(options.epochs)


def of_run(form: str) -> str:
    """The run that a form comes of: `full` of `full.epoch5`."""
    return form.partition(".")[0]


def check_form(config: Mapping[str, Any], form: str) -> None:
    """Refuse the name of a model that does not exist.

    Raises:
        ConfigError: there is no such run, or it keeps no such epoch.
    """
    run, _, kind = form.partition(".")
    runs = config["fgclip"]["runs"]
    if run not in runs:
        raise ConfigError(f"fgclip: no run {run!r}; there are {', '.join(runs) or 'none'}")
    if kind in ("", INIT):
        return
    kept = [f"{EPOCH}{epoch}" for epoch in epochs_kept(config, run)]
    if kind not in kept:
        there = ", ".join(f"{run}.{known}" for known in [INIT, *kept])
        raise ConfigError(f"fgclip: {form!r} is no model that is kept; there are {run}, {there}. See checkpoints")


def forms(config: Mapping[str, Any], dataset: str) -> list[str]:
    """The models that are scored on a dataset, in the order of the table: those of its runs that `compare` names.

    Raises:
        ConfigError: one does not exist.
    """
    fgclip = config["fgclip"]
    chosen = fgclip.get("compare")
    if chosen is None:
        chosen = [
            form
            for run in fgclip["runs"]
            for form in (f"{run}.{INIT}", *(f"{run}.{EPOCH}{epoch}" for epoch in epochs_kept(config, run)), run)
        ]
    for form in chosen:
        check_form(config, form)
    return [form for form in chosen if run_options(config, of_run(form))["dataset"] == dataset]
