"""What the jobs of trainings and measurements read, by the names that their rules give it. Light."""

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.cnclip import places
from scripts.cnclip.runs import (
    INIT,
    MULTILINGUAL,
    ONNX_FORMS,
    check_model,
    compared,
    named_model,
    of_model,
    run_options,
    trained_on,
)
from scripts.shared.errors import ConfigError

Config = Mapping[str, Any]


def init_inputs(config: Config, run: str) -> dict[str, str]:
    """What a training begins with: `model`, or `vision` and `text`, or nothing; `lmdb` where pruning measures on pairs.

    Raises:
        ConfigError: see `runs.run_options`.
    """
    options = run_options(config, run)
    init = options["init"]
    found = {}
    if isinstance(init, Mapping):
        found = dict(init)
    elif named_model(init):
        found = {"model": str(places.model_folder(config, init))}
    if options.get("prune", {}).get("criterion") == "activation":
        found["lmdb"] = str(places.lmdb_folder(config, options["dataset"], "train"))
    return found


def init_settings(config: Config, run: str) -> dict[str, Any]:
    """The settings of `model_files.init.make_init` that are no files.

    Raises:
        ConfigError: see `runs.run_options`.
    """
    options = run_options(config, run)
    settings = {key: options[key] for key in ("architecture", "context_length", "prune", "seed") if key in options}
    name = f"{run}.{INIT}"
    return settings | {"name": name, "trained_on": trained_on(config, name)}


def train_inputs(config: Config, run: str) -> dict[str, str | list[str]]:
    """What a training reads: `init`; `train`, `valid` and `teacher`, or `parallel`.

    Raises:
        ConfigError: the dataset has no train split; or see `runs.run_options`.
    """
    options = run_options(config, run)
    dataset = options["dataset"]
    there = places.splits(config, dataset)
    if "train" not in there:
        raise ConfigError(f"cnclip.runs.{run}.dataset: {dataset} has no train split; there are {', '.join(there)}")
    found: dict[str, str | list[str]] = {"init": str(places.run_folder(config, run) / INIT)}
    if options["text_tower"] == MULTILINGUAL:
        return found | {"parallel": str(places.parallel_file(config, options["parallel"]))}
    for split in ("train", "valid"):
        if split in there:
            found[split] = str(places.lmdb_folder(config, dataset, split))
    if teacher := teacher_place(config, run):
        files = places.feature_files(config, options["kd"]["teacher"], dataset, "train")
        found["teacher"] = list(files.values()) if files["facts"] == f"{teacher}/facts.json" else [teacher]
    return found


def teacher_place(config: Config, run: str) -> str:
    """Whom a student follows: stored features, a model that runs beside it, or the folder of the features it gives.

    Raises:
        ConfigError: only features of other datasets are there; or see `runs.run_options`.
    """
    options = run_options(config, run)
    kd, dataset = options["kd"], options["dataset"]
    if kd["name"] == "none":
        return ""
    stored: Mapping[str, str] = config["cnclip"]["models"].get(kd["teacher"], {}).get("features", {})
    if dataset in stored:
        return stored[dataset]
    check_model(config["cnclip"], kd["teacher"], f"cnclip.runs.{run}.kd.teacher")
    if kd["online"]:
        return str(places.model_folder(config, kd["teacher"]))
    return str(places.features_folder(config, kd["teacher"], dataset, "train"))


def measured_split(config: Config, dataset: str) -> str:
    """The split of a dataset that models are measured on.

    Raises:
        ConfigError: the dataset has no such split.
    """
    split: str = config["cnclip"]["datasets"][dataset]["split"]
    there = places.splits(config, dataset)
    if split not in there:
        raise ConfigError(f"cnclip.datasets.{dataset}.split: there is no {split} split; there are {', '.join(there)}")
    return split


def measured_datasets(config: Config) -> list[str]:
    """The datasets that have the split which models are measured on.

    Raises:
        ConfigError: one has no split at all.
    """
    datasets = config["cnclip"]["datasets"]
    return [name for name, dataset in datasets.items() if dataset["split"] in places.splits(config, name)]


def split_inputs(config: Config, dataset: str) -> dict[str, str]:
    """The measured split of a dataset: `tsv`, `pictures` and `texts`.

    Raises:
        ConfigError: see `measured_split`.
    """
    split = measured_split(config, dataset)
    return places.tables(config, dataset, split) | {"tsv": str(places.pictures_file(config, dataset, split))}


def scores_inputs(config: Config, form: str, dataset: str) -> dict[str, str | list[str]]:
    """What a measurement reads: `split_inputs`, the files of the features, `model`, and `languages`.

    Raises:
        ConfigError: there is no such model, or see `measured_split`.
    """
    split = measured_split(config, dataset)
    return {
        **places.feature_files(config, form, dataset, split),
        **split_inputs(config, dataset),
        "model": str(places.model_folder(config, form)),
        "languages": [str(path) for path in places.translated_texts(config, dataset, split).values()],
    }


def measurements(config: Config, forms: Sequence[str]) -> dict[str, list[str]]:
    """The measurements of models and forms: `metrics` on every dataset, `zeroshot` on every set of labelled pictures.

    Raises:
        ConfigError: see `measured_datasets`.
    """
    datasets = measured_datasets(config)
    sets = config["cnclip"]["zeroshot"]
    return {
        "metrics": [
            f"{places.evaluation_folder(config, form, dataset)}/metrics.json" for form in forms for dataset in datasets
        ],
        "zeroshot": [places.zeroshot_files(config, form, name)["metrics"] for form in forms for name in sets],
    }


def evaluations(config: Config, model: str) -> dict[str, str]:
    """The folders of what is measured of a model and its ONNX forms on the first dataset, by form.

    Raises:
        ConfigError: see `measured_datasets`.
    """
    names = {"torch": model} | {form: f"{model}.{form}" for form in ONNX_FORMS}
    return {
        form: str(places.evaluation_folder(config, name, dataset))
        for dataset in measured_datasets(config)[:1]
        for form, name in names.items()
    }


def repeatable(config: Config, model: str) -> list[dict[str, str]]:
    """Where each measurement that a package tells of can be done again: `split_inputs`, `dataset`, `form`, `features`.

    Raises:
        ConfigError: see `measured_datasets`.
    """
    return [
        {
            **split_inputs(config, dataset),
            "dataset": dataset,
            "form": form,
            "features": f"{folder}/features/{measured_split(config, dataset)}",
        }
        for dataset in measured_datasets(config)[:1]
        for form, folder in evaluations(config, model).items()
    ]


def mobile_features(config: Config, model: str) -> dict[str, str]:
    """The folders of the features by which a model's INT8 towers are measured against fp32, by form; none without data.

    Raises:
        ConfigError: see `measured_datasets`.
    """
    return {
        form: str(places.features_folder(config, f"{model}.{form}", dataset, measured_split(config, dataset)))
        for dataset in measured_datasets(config)[:1]
        for form in ("onnx_fp32", "onnx_int8")
    }


def mobile_texts(config: Config) -> list[str]:
    """The texts of `mobile_features`: one file, none without data.

    Raises:
        ConfigError: see `measured_datasets`.
    """
    return [split_inputs(config, dataset)["texts"] for dataset in measured_datasets(config)[:1]]


def demo_dataset(config: Config) -> str:
    """The dataset that the demo bundle shows: the first.

    Raises:
        ConfigError: there is none with the split that models are measured on.
    """
    datasets = measured_datasets(config)
    if not datasets:
        raise ConfigError("cnclip_demo shows a model on a dataset: name one in cnclip.datasets")
    return datasets[0]


def demo_inputs(config: Config) -> dict[str, str | list[str]]:
    """What the demo bundle shows: the model that is packed first, else compared first, on `demo_dataset`.

    Raises:
        ConfigError: there is no model, or see `demo_dataset`.
    """
    dataset, names = demo_dataset(config), config["cnclip"]["package"] or compared(config["cnclip"])
    if not names:
        raise ConfigError("cnclip_demo shows a model on a dataset: name one in cnclip.runs or cnclip.models")
    translations = places.translated_texts(config, dataset, measured_split(config, dataset))
    credit = {"credits": str(places.demo_root(config) / places.CREDITS)} if places.is_demo(config, dataset) else {}
    return {
        **split_inputs(config, dataset),
        **credit,
        "model": str(places.model_folder(config, of_model(names[0]))),
        "comparison": str(places.results(config) / "comparison" / "comparison.csv"),
        "translations": [str(path) for path in translations.values()],
    }
