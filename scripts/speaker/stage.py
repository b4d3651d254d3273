"""The stage `embeddings` of a collection, for the planner. Light, since the Snakefile imports it."""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from scripts.shared.dataset_dir import dataset_dir, dataset_link
from scripts.shared.errors import ConfigError
from scripts.shared.planning.stage import PlanOptions, SourceEntry, Stage, key_of_file
from scripts.shared.selection import choose
from scripts.speaker.collection import EMBEDDINGS, Collection, check_not_gone, order_list
from scripts.speaker.encoders.model_folder import inspect_model

FORMAT = 1  # raise when the same settings give other bytes: every recording is embedded again
# Window and scale of the filter banks by `features`.
_FEATURES = {"wespeaker": ("hamming", 32768), "3dspeaker": ("povey", 1)}
_BYTE_SETTINGS = (
    "channel",
    "resampler",
    "min_frames",
    "max_seconds",
    "batch_seconds",
    "precision",
    "audio_paths",
)
_BYTES_PER_SAMPLE = 1_500  # 256 numbers and what is said of them; only a forecast


def embeddings_stage(config: Mapping[str, Any], name: str) -> Stage:
    """Describe the stage that embeds a collection.

    Args:
        config: the whole configuration, as `load_config` gives it.
        name: a dataset with `input_dir`.

    Raises:
        ConfigError: there is no such dataset, its folder is another one's or lies among the recordings, its order lacks
            its list, or its model is none.
    """
    folder = dataset_dir(config, "speaker", name)
    dataset = config["speaker"]["datasets"][name]
    if "input_dir" not in dataset:
        raise ConfigError(f"speaker.datasets.{name}: starts from embeddings_dir; there is nothing to embed")
    input_dir = Path(dataset["input_dir"])
    _refuse_results_within(input_dir, (folder, Path(config["results_dir"])), name)
    collection = Collection(input_dir, dataset["order"], order_list(dataset, name))
    settings, model_dir = byte_settings(dataset)
    options = PlanOptions.from_config(dataset)

    def read_list() -> list[SourceEntry]:
        entries = collection.read()
        if options.sources_gone != "ok":
            check_not_gone(
                entries,
                folder,
                label=f"speaker {name}",
                input_dir=input_dir,
                max_gone_fraction=options.max_failed_fraction,
            )
        return entries

    return Stage(
        system="speaker",
        dataset=name,
        name="embeddings",
        dataset_dir=folder,
        work_dir=Path(config["work_dir"], "speaker", name),
        source_dir=input_dir,
        source_option="input_dir",
        read_list=read_list,
        settings=settings,
        means={
            "model_dir": model_dir,
            "runtime": settings["runtime"],
            "gpus": config["gpus"],
            "jobs_per_gpu": dataset["jobs_per_gpu"],
        },
        files=(),
        own_folders=False,
        bytes_per_sample=_BYTES_PER_SAMPLE,
        shard_size=dataset["shard_size"],
        sample_timeout_s=dataset["sample_timeout_s"],
        choose=partial(choose, select=dataset["select"], seed=dataset["seed"]),
        index={"model": f"{settings['model']}:{settings['model_digest']}", "runtime": settings["runtime"]},
        explain_gone=lambda _gone, _new: "",
        options=options,
        link=dataset_link(config, "speaker", name),
        remarks=collection.remarks,
    )


def _refuse_results_within(input_dir: Path, results: Sequence[Path], name: str) -> None:
    """Keep the speakers' folders, which hold recordings again, out of the collection.

    Raises:
        ConfigError: results would lie among the recordings.
    """
    for folder in results:
        if Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(input_dir)):
            raise ConfigError(
                f"speaker.datasets.{name}: results in {folder} would lie in input_dir ({input_dir}), and the next run "
                "would take the speakers' folders for recordings; choose results_dir and output_dir outside of it"
            )


def byte_settings(dataset: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The settings on which the bytes of an embedding depend, and where its model lies ("" for a package's).

    Raises:
        ConfigError: the model is none.
    """
    model = inspect_model(dataset.get("model_dir", ""), dataset["runtime"])
    window, scale = _FEATURES[dataset["features"]]
    settings = {key: dataset[key] for key in _BYTE_SETTINGS}
    settings |= {"window": dataset.get("window", window), "scale": dataset.get("scale", scale)}
    settings |= {"format": FORMAT, "runtime": model.runtime, "model": model.name, "model_digest": model.digest}
    if dataset["audio_paths"] == "absolute":
        settings["audio_root"] = str(Path(dataset["input_dir"]).absolute())
    return settings, model.path


def key_of_embedding(stage: Stage, name: str) -> str:
    """The recording whose embedding is asked for by its path.

    Args:
        stage: from `embeddings_stage`.
        name: path of the pickle below the folder of embeddings, without suffix.

    Raises:
        PlanningError: no recording's embedding has this path.
    """
    file = f"{EMBEDDINGS}/{name}.pkl"
    return key_of_file(stage, file, unknown=f"{file}: no recording of the collection has this embedding")
