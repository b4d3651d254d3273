"""The stage `vectors` of a dataset, for the planner. Light, since the Snakefile imports it."""

import os
import secrets
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from scripts.search.assets import AssetList, check_not_gone
from scripts.search.database import open_database
from scripts.search.encoders.choice import choose_encoder
from scripts.search.old_index import listed_files
from scripts.search.places import VECTOR_SUFFIX, VECTORS, database_file, dataset_folder, vector_file
from scripts.shared.dataset_dir import dataset_link
from scripts.shared.errors import ConfigError, JobError
from scripts.shared.planning.index_plan import plan_file, read_index_plan
from scripts.shared.planning.stage import PlanOptions, SourceEntry, Stage, key_of_file
from scripts.shared.selection import choose

FORMAT = 1  # raise when the same settings give other bytes: everything is indexed again
_BYTES_PER_SAMPLE = 3_000  # one vector of 512 numbers, and what is said of it; only a forecast


def vectors_stage(config: Mapping[str, Any], name: str) -> Stage:
    """Describe the stage that makes the vectors of a dataset's pictures and videos.

    Args:
        config: the whole configuration, as `load_config` gives it.
        name: of the dataset.

    Raises:
        ConfigError: there is no such dataset, its folder is another one's or lies among its pictures, or its encoder is
            none.
    """
    folder, database = dataset_folder(config, name), database_file(config, name)
    work_dir = Path(config["work_dir"], "search", name)
    dataset = config["search"]["datasets"][name]
    folders = dict(sorted(dataset["folders"].items()))
    _refuse_results_within(folders, (folder, Path(config["results_dir"])), name)
    choice = choose_encoder(config, dataset["encoder"], dataset.get("model", ""))
    options = PlanOptions.from_config(dataset)
    remarks: list[str] = []

    def read_list() -> list[SourceEntry]:
        only = listed_files(Path(dataset["assets_from"]), folders) if "assets_from" in dataset else None
        assets = AssetList(folders, frame_interval=dataset["frame_interval"], only=only)
        entries = assets.read()
        remarks[:] = assets.remarks()
        if options.sources_gone != "ok":
            check_not_gone(
                [entry.key for entry in entries],
                _indexed(database),
                folders,
                label=f"search {name}",
                max_gone_fraction=options.max_failed_fraction,
            )
        return entries

    return Stage(
        system="search",
        dataset=name,
        name=VECTORS,
        dataset_dir=folder,
        work_dir=work_dir,
        source_dir=Path(),
        source_dirs=folders,
        source_option="folders",
        read_list=read_list,
        settings={
            "format": FORMAT,
            "encoder": choice.encoder,
            "form": choice.form,
            "min_size": dataset["min_size"],
            **choice.settings,
        },
        made_before=choice.made_before,
        means={
            "encoder": choice.encoder,
            "model": choice.model,
            "path": choice.path,
            "gpus": config["gpus"],
            "jobs_per_gpu": dataset["jobs_per_gpu"],
        },
        files=(),
        own_folders=False,
        bytes_per_sample=_BYTES_PER_SAMPLE,
        shard_size=dataset["shard_size"],
        sample_timeout_s=dataset["sample_timeout_s"],
        choose=partial(choose, select=dataset["select"], seed=dataset["seed"]),
        index={
            "dataset": name,
            "encoder": choice.encoder,
            "model": choice.model,
            "folders": folders,
            "frame_interval": dataset["frame_interval"],
            "dtype": dataset["dtype"],
        },
        index_of_list=lambda: {"again": _again(database, plan_file(work_dir))},
        explain_gone=lambda _gone, _new: "",
        options=options,
        link=dataset_link(config, "search", name),
        remarks=lambda: remarks,
    )


def key_of_vectors(stage: Stage, name: str) -> str:
    """The asset whose vectors are asked for by their path.

    Args:
        stage: from `vectors_stage`.
        name: path of the file below the folder of vectors, without suffix.

    Raises:
        PlanningError: no asset's vectors have this path.
    """
    return key_of_file(
        stage,
        vector_file(name),
        unknown=f"{VECTORS}/{name}{VECTOR_SUFFIX}: none of the folders has a picture or video of this name",
    )


def _indexed(path: Path) -> list[str]:
    """What is in the index that is in its place; nothing where there is none that can be read."""
    try:
        with open_database(path) as database:
            return [asset.path for asset in database.assets()]
    except JobError:
        return []


def _again(database: Path, plan: Path) -> str:
    """What makes the index plan another one where the index is gone; else as the plan has it.

    No rule declares the index: Snakemake would take it from the server while a new one is made, or when that fails.
    """
    if not database.exists():
        return secrets.token_hex(8)
    try:
        return str(read_index_plan(plan).settings["again"])
    except (JobError, KeyError):
        return ""


def _refuse_results_within(folders: Mapping[str, str], results: tuple[Path, ...], name: str) -> None:
    """Keep thumbnails and figures out of the folders that are searched.

    Raises:
        ConfigError: results would lie in one of them.
    """
    for option, folder in folders.items():
        for result in results:
            if Path(os.path.realpath(result)).is_relative_to(os.path.realpath(folder)):
                raise ConfigError(
                    f"search.datasets.{name}.folders.{option}: results in {result} would lie in {folder}, and the next "
                    "run would index them; choose results_dir and output_dir outside of it"
                )
