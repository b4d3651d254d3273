"""What the configuration's models and runs mean together: presets, defaults, who begins with whom. Light."""

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from scripts.shared.config import SCHEMA_DIR, Schema, read_schema
from scripts.shared.errors import ConfigError

PRESETS_FILE = SCHEMA_DIR.parent / "presets" / "cnclip.yaml"
RANDOM = "random"
INIT = "init"
ONNX_FORMS = ("onnx_fp32", "onnx_fp16", "onnx_int8")
EXPORTED_FORMS = (*ONNX_FORMS, "tensorrt")


@functools.cache
def presets() -> Mapping[str, Mapping[str, Any]]:
    """The named values of `config/presets/cnclip.yaml`."""
    named: Mapping[str, Mapping[str, Any]] = yaml.safe_load(PRESETS_FILE.read_text(encoding="utf-8"))
    return named


@functools.cache
def run_schema() -> Schema:
    """The options of a run, with their defaults."""
    schema: Schema = read_schema()["properties"]["cnclip"]["properties"]["runs"]["additionalProperties"]
    return schema


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
    own = cnclip["runs"][name]
    where = f"cnclip.runs.{name}"
    preset = own.get("preset", name if name in presets() else "base")
    if preset not in presets():
        raise ConfigError(f"{where}.preset: no preset {preset!r}; there are {', '.join(presets())}")
    given = presets()[preset]
    schema = run_schema()["properties"]
    options = {key: part["default"] for key, part in schema.items() if "default" in part and key != "kd"}
    options |= {"seed": cnclip["seed"], **given, **own, "preset": preset}
    for nested in ("kd", "prune"):
        if nested == "kd" or nested in own or nested in given:
            parts = {key: part["default"] for key, part in schema[nested]["properties"].items() if "default" in part}
            options[nested] = parts | dict(given.get(nested, {})) | dict(own.get(nested, {}))
    _check_run(cnclip, where, options)
    _check_no_circle(cnclip, name)
    return options


def _check_run(cnclip: Mapping[str, Any], where: str, options: Mapping[str, Any]) -> None:
    if options["dataset"] not in cnclip["datasets"]:
        there = ", ".join(cnclip["datasets"]) or "none"
        raise ConfigError(f"{where}.dataset: no dataset {options['dataset']!r}; there are {there}")
    init, kd = options["init"], options["kd"]
    if isinstance(init, str) and init != RANDOM:
        check_model(cnclip, init, f"{where}.init")
    if kd["name"] != "none":
        if "teacher" not in kd:
            raise ConfigError(f"{where}.kd.teacher is missing: name the model or run that teaches")
        check_model(cnclip, kd["teacher"], f"{where}.kd.teacher", with_features=True)
        if options["augment"] and not kd["online"]:
            raise ConfigError(
                f"{where}: a teacher's stored features belong to pictures without augmentation; set augment: false, "
                "or kd: {online: true} to run the teacher on the augmented ones"
            )
    if options["batch_size"] % options["processes"]:
        raise ConfigError(
            f"{where}.batch_size: {options['batch_size']} is no multiple of {options['processes']} processes"
        )
    if options["text_tower"] == "multilingual":
        missing = [key for key in ("encoder", "parallel") if key not in options]
        if missing or not isinstance(init, str) or init == RANDOM:
            what = missing[0] if missing else "init"
            raise ConfigError(
                f"{where}.{what}: a multilingual text tower needs init (the model whose pictures it reads), encoder "
                "and parallel"
            )


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
    run = cnclip["runs"].get(name, {})
    preset = presets().get(run.get("preset", name), {})
    for needed in (run.get("init", preset.get("init")), (preset.get("kd", {}) | run.get("kd", {})).get("teacher")):
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


def is_multilingual(config: Mapping[str, Any], form: str) -> bool:
    """Whether a form of a run reads texts in several languages."""
    run = of_model(form)
    return run in config["cnclip"]["runs"] and run_options(config, run)["text_tower"] == "multilingual"


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


def trained_on(config: Mapping[str, Any], form: str) -> list[str]:
    """The datasets that a model, or a form of it, has seen in training, itself or what it began with."""
    cnclip, name = config["cnclip"], of_model(form)
    if name in cnclip["models"]:
        return list(cnclip["models"][name].get("trained_on", []))
    options = run_options(config, name)
    init = options["init"]
    before = trained_on(config, init) if isinstance(init, str) and init != RANDOM else []
    return before if form_of(form) == INIT else list(dict.fromkeys([*before, options["dataset"]]))
