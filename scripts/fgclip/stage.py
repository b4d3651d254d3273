"""The stages of a dataset's videos: what is known of each, and its scores by each model.

Light: the Snakefile imports it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache, partial
from heapq import nsmallest
from pathlib import Path
from typing import Any

from scripts.fgclip.data.video_list import TEST, VideoList
from scripts.fgclip.model.identity import FACTS
from scripts.fgclip.places import data_folder, model_folder, prompts_file
from scripts.fgclip.runs import forms, of_run, run_options
from scripts.fgclip.scoring.prompts import read_prompts
from scripts.fgclip.scoring.score_files import score_file
from scripts.shared.dataset_dir import dataset_link
from scripts.shared.fingerprints import canonical_json
from scripts.shared.planning.stage import PlanOptions, SourceEntry, Stage
from scripts.shared.selection import choose, keyed_hash

VIDEOS, SCORES = "videos", "scores"
# Raise one when the same settings give other bytes: that stage is made again.
VIDEOS_FORMAT = SCORES_FORMAT = 1
_BYTES_OF_FACTS, _BYTES_OF_SCORES = 300, 100_000  # only a forecast


def videos_stage(config: Mapping[str, Any], name: str) -> Stage:
    """Describe the stage that decodes every video of a dataset once, to know its frames.

    Args:
        config: the whole configuration, as `load_config` gives it.
        name: of the dataset.

    Raises:
        ConfigError: there is no such dataset, or its folder is another one's.
    """
    folder = data_folder(config, name)
    dataset = config["fgclip"]["datasets"][name]
    videos = VideoList(dataset)
    return Stage(
        system="fgclip",
        dataset=name,
        name=VIDEOS,
        dataset_dir=folder,
        work_dir=Path(config["work_dir"], "fgclip", name),
        source_dir=Path(dataset["videos"]),
        source_option="videos",
        read_list=cache(lambda: list(videos.entries())),
        settings={"format": VIDEOS_FORMAT},
        means={},
        files=(),
        own_folders=False,
        bytes_per_sample=_BYTES_OF_FACTS,
        shard_size=dataset["shard_size"],
        sample_timeout_s=dataset["sample_timeout_s"],
        choose=partial(choose, select=dataset["select"], seed=dataset["seed"]),
        index={},
        explain_gone=lambda _gone, _new: "",
        options=PlanOptions.from_config(dataset),
        link=dataset_link(config, "fgclip", name),
        title=f"fgclip {name}, videos",
    )


def scores_stage(config: Mapping[str, Any], videos: Stage, form: str) -> Stage:
    """Describe the stage that scores a dataset's test videos, and some of its training videos, with one model.

    Args:
        config: the whole configuration, as `load_config` gives it.
        videos: the dataset's videos, from `videos_stage`; all models share its reading of the lists.
        form: of a model that was trained on it; see `runs`.

    Raises:
        ConfigError: the prompts cannot be read, or the form's run is wrong.
    """
    name = videos.dataset
    dataset, model = config["fgclip"]["datasets"][name], model_folder(config, form)
    prompts = read_prompts(prompts_file(config, name))
    return replace(
        videos,
        name=f"{SCORES}.{form}",
        work_dir=videos.work_dir / SCORES / form,
        read_list=lambda: _scored(videos, form, dataset["calibration_videos"], dataset["seed"]),
        choose=lambda keys: range(len(keys)),
        settings={
            "format": SCORES_FORMAT,
            "stride": dataset["stride"],
            "top_k": dataset["top_k"],
            "batch": dataset["score_batch"],
            "prompts": prompts.as_settings(),
            "num_frames": run_options(config, of_run(form))["num_frames"],
        },
        made_before={"model": str(model / FACTS)},
        means={"model": str(model), "gpus": config["gpus"], "jobs_per_gpu": dataset["jobs_per_gpu"]},
        bytes_per_sample=_BYTES_OF_SCORES,
        index={"form": form},
        part=True,
        title=f"fgclip {name}, scores of {form}",
    )


def dataset_stages(config: Mapping[str, Any], name: str) -> tuple[Stage, ...]:
    """All stages of a dataset: its videos, then their scores by each model that `compare` names.

    Raises:
        ConfigError: see `videos_stage`, `scores_stage`.
    """
    videos = videos_stage(config, name)
    return videos, *(scores_stage(config, videos, form) for form in forms(config, name))


def _scored(videos: Stage, form: str, n_calibration: int, seed: int) -> Iterator[SourceEntry]:
    """Yield the test videos, and the training videos drawn for calibration, in the order of the list."""
    listed = list(videos.read_list())
    roles = {entry.key: json.loads(entry.entry)["roles"] for entry in listed}
    selected = [listed[position] for position in videos.choose([entry.key for entry in listed])]
    train = [entry.key for entry in selected if TEST not in roles[entry.key] and entry.source]
    drawn = set(nsmallest(n_calibration, train, key=lambda key: keyed_hash(seed, f"calibration {key}")))
    for entry in selected:
        if TEST in roles[entry.key] or entry.key in drawn:
            said = json.loads(entry.entry)
            wanted = {key: said[key] for key in ("source", "error") if key in said}
            if entry.source:
                wanted["files"] = [score_file(form, entry.key)]
            yield SourceEntry(entry.key, entry.source, canonical_json(wanted))
