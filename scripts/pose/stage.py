"""The stages of a list of captions: text vectors, poses, pictures. Light, since the Snakefile imports it."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from scripts.pose.caption_list import CaptionList
from scripts.pose.captions import NA, Line
from scripts.pose.model_choice import ChosenModel, choose_model
from scripts.pose.names import pose_names
from scripts.pose.options import with_preset
from scripts.shared.dataset_dir import dataset_dir, dataset_link
from scripts.shared.errors import ConfigError
from scripts.shared.planning.stage import PlanOptions, Stage, key_of_file
from scripts.shared.selection import choose

# Raise one when the same settings give other bytes: that stage is made again, and what follows from it.
TEXT_FORMAT = GENERATE_FORMAT = RENDER_FORMAT = 1
_BYTE_SETTINGS = (
    "sequence_length",
    "frame_index",
    "time_steps",
    "cfg",
    "solver",
    "solver_steps",
    "precision",
    "seed",
    "save_motion",
)
_BYTES_OF_TEXT, _BYTES_OF_POSE, _BYTES_OF_PICTURE = 2_200, 3_100, 60_000  # only a forecast


def pose_stages(config: Mapping[str, Any], name: str) -> tuple[Stage, Stage, Stage]:
    """Describe the stages `text`, `generate` and `render` of a dataset.

    Args:
        config: the whole configuration, as `load_config` gives it.
        name: of the dataset.

    Raises:
        ConfigError: there is no such dataset, its folder is another one's, its options do not go together, its list
            cannot be read, or its model is none.
    """
    folder = dataset_dir(config, "pose", name)
    dataset = with_preset(config["pose"]["datasets"][name], name)
    captions = CaptionList(dataset)
    model = choose_model(config, name)
    repeats = dataset["repeats"]
    text = Stage(
        system="pose",
        dataset=name,
        name="text",
        dataset_dir=folder,
        work_dir=Path(config["work_dir"], "pose", name),
        source_dir=folder,
        source_option="output_dir",
        read_list=lambda: captions.entries(_text),
        settings={
            "format": TEXT_FORMAT,
            "text_encoder": model.text_encoder,
            "text_identity": model.text_identity,
        },
        means={"clip": model.clip},
        files=(),
        own_folders=False,
        bytes_per_sample=_BYTES_OF_TEXT,
        shard_size=dataset["shard_size"],
        sample_timeout_s=dataset["sample_timeout_s"],
        choose=partial(choose, select=dataset["select"], seed=dataset["seed"]),
        index=None,
        explain_gone=lambda _gone, _new: "",
        options=PlanOptions.from_config(dataset),
        link=dataset_link(config, "pose", name),
        title=f"pose {name}, text vectors",
        remarks=captions.remarks,
    )
    generate = replace(
        text,
        name="generate",
        upstream="text",
        read_list=lambda: captions.entries(partial(_pose, dataset, model)),
        settings={
            "format": GENERATE_FORMAT,
            "kind": model.kind,
            "skeleton": model.skeleton,
            "model_identity": model.identity,
            **{option: dataset[option] for option in _BYTE_SETTINGS},
        },
        means={
            "model": str(model.path),
            "batch_size": 0 if dataset["batch_size"] == "auto" else dataset["batch_size"],
            "gpus": config["gpus"],
            "jobs_per_gpu": dataset["jobs_per_gpu"],
        },
        bytes_per_sample=_BYTES_OF_POSE * repeats,
        title=f"pose {name}, poses",
        remarks=list,
    )
    render = replace(
        text,
        name="render",
        upstream="generate",
        read_list=lambda: captions.entries(partial(_picture, dataset)),
        settings={"format": RENDER_FORMAT, "skeleton": model.skeleton},
        means={},
        bytes_per_sample=_BYTES_OF_PICTURE * repeats,
        index={
            **text.settings,
            **generate.settings,
            "preset": dataset["preset"],
            "toy": model.is_toy,
        },
        index_of_list=lambda: {"captions": {name: line.text for name, line in captions.lines.items()}},
        title=f"pose {name}, pictures",
        remarks=list,
    )
    return text, generate, render


def text_file(name: str) -> str:
    """Where a caption's text vector lies in the dataset's folder."""
    return f"text/{name}.npy"


def _text(name: str, _line: Line) -> dict[str, Any]:
    return {"files": [text_file(name)]}


def _pose(dataset: Mapping[str, Any], model: ChosenModel, name: str, line: Line) -> dict[str, Any]:
    names = pose_names(name, dataset["repeats"])
    files = [f"poses/{pose}.{suffix}" for pose in names for suffix in ("npy", "json")]
    if dataset["save_motion"]:
        files += [f"motions/{pose}{suffix}.npy" for pose in names for suffix in ("", "_features")]
    entry: dict[str, Any] = {"source": text_file(name), "files": files}
    if line.n_frames is not None:
        entry["n_frames"] = line.n_frames
    if line.n_frames == NA:
        entry["lengths_identity"] = model.lengths_identity  # another estimator may choose another length
    return entry


def _picture(dataset: Mapping[str, Any], name: str, _line: Line) -> dict[str, Any]:
    names = pose_names(name, dataset["repeats"])
    return {"source": f"poses/{name}.npy", "files": [f"poses/{pose}.png" for pose in names]}


def preview_files(config: Mapping[str, Any], name: str) -> list[str]:
    """The pictures that `previews` asks for, relative to the dataset's folder.

    Raises:
        ConfigError: a name is that of no pose.
    """
    dataset = config["pose"]["datasets"][name]
    if not dataset["previews"]:
        return []
    known = {pose for key in CaptionList(dataset).lines for pose in pose_names(key, dataset["repeats"])}
    unknown = [pose for pose in dataset["previews"] if pose not in known]
    if unknown:
        raise ConfigError(
            f"pose.datasets.{name}: previews: no pose is named {unknown[0]!r:.200}; index.csv has the names, such as "
            f"{min(known)!r}"
        )
    shown = ["views.png", "turntable.webp", *(["motion.webp"] if dataset["save_motion"] else [])]
    return [f"previews/{pose}_{what}" for pose in dataset["previews"] for what in shown]


def key_of_pose(render: Stage, pose: str) -> str:
    """The caption's name for the name of one of its poses, which may be a repeat.

    Args:
        render: the stage of that name.
        pose: name of its files, without suffix.

    Raises:
        PlanningError: the list gives no pose of this name.
    """
    unknown = f"no caption of the list has a pose named {pose!r:.200}; index.csv names them"
    return key_of_file(render, f"poses/{pose}.png", unknown=unknown)
