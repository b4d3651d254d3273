"""What the configuration's models and runs mean together: presets, defaults, who begins with whom. Light."""

from collections.abc import Iterator, Mapping
from typing import Any

from scripts.cnclip.training.options import run_options as training_options
from scripts.shared.errors import ConfigError
from scripts.shared.run_presets import check_preset, preset_of, presets, run_schema, with_preset

RANDOM = "random"
MULTILINGUAL = "multilingual"
INIT = "init"
ONNX_FORMS = ("onnx_fp32", "onnx_fp16", "onnx_int8")
EXPORTED_FORMS = (*ONNX_FORMS, "tensorrt")


def run_options(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """All options of one run: its own, else its preset's, else the defaults.

    Args:
        config: the whole configuration, as `load_config` gives it.
        name: of the run.

    Raises:
        ConfigError: it names a preset, dataset, model or teacher that does not exist, begins with itself, or its
            options do not go together.
    """
    cnclip = config["cnclip"]
    where = f"cnclip.runs.{name}"
    options = _merged(cnclip, name)
    check_preset("cnclip", name, options["preset"])
    _check_no_circle(cnclip, name)
    _check_run(cnclip, name, where, options)
    return options


def _merged(cnclip: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The options of a run as they are said, unchecked; a preset that does not exist says nothing."""
    own = cnclip["runs"][name]
    preset = preset_of("cnclip", name, own, otherwise="base")
    given = presets("cnclip").get(preset, {})
    schema = run_schema("cnclip")["properties"]
    options = with_preset("cnclip", own, preset, seed=cnclip["seed"])
    for nested in ("kd", "prune"):
        if nested == "kd" or nested in own or nested in given:
            parts = {key: part["default"] for key, part in schema[nested]["properties"].items() if "default" in part}
            options[nested] = parts | dict(given.get(nested, {})) | dict(own.get(nested, {}))
    return options


def _check_run(cnclip: Mapping[str, Any], name: str, where: str, options: Mapping[str, Any]) -> None:
    """Check what a run says of others, and leave to its training what it says of itself."""
    if options["dataset"] not in cnclip["datasets"]:
        there = ", ".join(cnclip["datasets"]) or "none"
        raise ConfigError(f"{where}.dataset: no dataset {options['dataset']!r}; there are {there}")
    if "init" not in options and options["text_tower"] != MULTILINGUAL:
        raise ConfigError(
            f"{where}.init is missing: name the model or run that it begins with, {{vision: ..., text: ...}}, or "
            "random for fresh weights of an `architecture`"
        )
    init, kd = options.get("init"), options["kd"]
    if init == RANDOM and "architecture" not in options:
        raise ConfigError(f"{where}.architecture is missing: fresh weights (init: random) need their sizes")
    if isinstance(init, str) and named_model(init):
        check_model(cnclip, init, f"{where}.init")
    if options["text_tower"] == MULTILINGUAL:
        _check_multilingual(where, options)
        return
    training_options(name, options)
    if kd["name"] != "none":
        check_model(cnclip, kd["teacher"], f"{where}.kd.teacher", with_features=True)


def _check_multilingual(where: str, options: Mapping[str, Any]) -> None:
    missing = [key for key in ("encoder", "parallel") if key not in options]
    if missing or not named_model(options.get("init")):
        raise ConfigError(
            f"{where}.{missing[0] if missing else 'init'}: a multilingual text tower needs init (the model whose "
            "pictures it reads), encoder and parallel"
        )
    if options["kd"]["name"] != "none":
        raise ConfigError(f"{where}.kd: a multilingual text tower learns from init alone; leave kd out")


def named_model(init: Any) -> bool:
    """Whether `init` names a model or run: not fresh weights, and not {vision: ..., text: ...}."""
    return isinstance(init, str) and init != RANDOM


def check_model(cnclip: Mapping[str, Any], name: str, where: str, *, with_features: bool = False) -> None:
    """Refuse the name of a model that does not exist.

    Args:
        cnclip: the system's part of the configuration.
        name: of a model or a run.
        where: the option that names it, for the message.
        with_features: whether a model of which only features are there will do.

    Raises:
        ConfigError: there is no such model, or only its features are there.
    """
    if name in cnclip["runs"]:
        return
    if name not in cnclip["models"]:
        there = ", ".join([*cnclip["models"], *cnclip["runs"]]) or "none"
        raise ConfigError(f"{where}: no model or run {name!r}; there are {there}")
    if "weights" not in cnclip["models"][name] and not with_features:
        raise ConfigError(f"{where}: of model {name!r} only features are there; it needs weights for this")


def _check_no_circle(cnclip: Mapping[str, Any], name: str) -> None:
    waiting, seen = [name], set()
    while waiting:
        for needed in _begins_with(cnclip, waiting.pop()):
            if needed == name:
                raise ConfigError(f"cnclip.runs.{name} begins with itself, through its init or its teacher")
            if needed not in seen:
                seen.add(needed)
                waiting.append(needed)


def _begins_with(cnclip: Mapping[str, Any], name: str) -> Iterator[str]:
    options = _merged(cnclip, name)
    for needed in (options.get("init"), options["kd"].get("teacher")):
        if isinstance(needed, str) and needed in cnclip["runs"]:
            yield needed


def model_names(cnclip: Mapping[str, Any]) -> list[str]:
    """Every model that can be loaded: those of the configuration, then the runs."""
    return [name for name, model in cnclip["models"].items() if "weights" in model] + list(cnclip["runs"])


def compared(cnclip: Mapping[str, Any]) -> list[str]:
    """The models and forms of the comparison, in its order.

    Raises:
        ConfigError: one names a model that does not exist, or the configuration gives a model and a run one name.
    """
    both = sorted(set(cnclip["models"]) & set(cnclip["runs"]))
    if both:
        raise ConfigError(f"cnclip: {both[0]!r} is both a model and a run; give one of them another name")
    chosen = list(cnclip.get("compare", model_names(cnclip)))
    for form in chosen:
        check_model(cnclip, of_model(form), "cnclip.compare")
    return chosen


def of_model(form: str) -> str:
    """The model that a form is one of: `kl` of `kl.onnx_int8`."""
    return form.partition(".")[0]


def form_of(form: str) -> str:
    """Which form it is: `onnx_int8`, `init`, or "" for the model itself."""
    return form.partition(".")[2]


def is_multilingual(cnclip: Mapping[str, Any], form: str) -> bool:
    """Whether a model, or a form of it, is a run that reads texts in several languages."""
    run = of_model(form)
    return run in cnclip["runs"] and bool(_merged(cnclip, run)["text_tower"] == MULTILINGUAL)


def exported(cnclip: Mapping[str, Any]) -> list[str]:
    """The models that are exported: those asked for, those packed, and those compared in such a form.

    Raises:
        ConfigError: one does not exist.
    """
    forms = [of_model(form) for form in compared(cnclip) if form_of(form) in EXPORTED_FORMS]
    names = list(dict.fromkeys([*cnclip["export"], *cnclip["package"], *forms]))
    for name in names:
        check_model(cnclip, name, "cnclip.export")
    return names


def mobile(cnclip: Mapping[str, Any]) -> list[str]:
    """The models whose towers are made for phones.

    Raises:
        ConfigError: one does not exist.
    """
    for name in cnclip["mobile"]:
        check_model(cnclip, name, "cnclip.mobile")
    return list(cnclip["mobile"])


def trained_on(config: Mapping[str, Any], form: str) -> list[str]:
    """The datasets that a model, or a form of it, has seen in training, itself or what it began with."""
    cnclip, name = config["cnclip"], of_model(form)
    if name in cnclip["models"]:
        return list(cnclip["models"][name]["trained_on"])
    options = run_options(config, name)
    before = trained_on(config, options["init"]) if named_model(options["init"]) else []
    return before if form_of(form) == INIT else list(dict.fromkeys([*before, options["dataset"]]))
