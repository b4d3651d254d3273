"""The stages `frames` and `clips` of a CLIP4MC dataset, for the planner. Light, since the Snakefile imports it."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from scripts.clip4mc.decoder_choice import Machine, choose_decoder, read_choice, with_choice
from scripts.clip4mc.gpu_job import gpu_means
from scripts.clip4mc.metadata import MetadataList
from scripts.clip4mc.pairs import read_pairs
from scripts.clip4mc.rows import explain_moves
from scripts.shared.dataset_dir import dataset_dir, dataset_link
from scripts.shared.errors import ConfigError
from scripts.shared.fingerprints import canonical_json, digest_file
from scripts.shared.planning.stage import PlanOptions, SourceEntry, Stage
from scripts.shared.selection import Selection, choose, select_keys
from scripts.shared.tokenizer_files import tokenizer_files

FORMAT = 1  # raise when the same settings give other bytes: every sample is made again
CLIPS_FORMAT = 1  # likewise for clips
CLIP_FILE = "clip.mp4"
SAMPLE_FILES = ("video_input.pkl", "text_input.pkl", "size.json")
_BYTE_SETTINGS = (
    "num_frames",
    "frame_height",
    "frame_width",
    "channel_order",
    "decoder",
    "scaler",
    "default_size",
)
_INDEX_SETTINGS = ("split_mode", "split_by", "seed", "paths")
_CLIP_BYTES = 3_000_000  # some seconds at 360p; only a forecast
_OTHER_BYTES = 2_000  # a sample's pickle headers, tokens and sizes, about


def frames_stage(config: Mapping[str, Any], name: str, machine: Callable[[], Machine] | None = None) -> Stage:
    """Describe the stage that makes a dataset's samples.

    Args:
        config: the whole configuration, as `load_config` gives it.
        name: the dataset.
        machine: what the run has to decode with, asked where `decoder: auto` must be decided; None where that is not
            known, and the CPU decodes.

    Raises:
        ConfigError: there is no such dataset, another one has the same output folder, its tokenizer is none, or its
            decoder reads no intervals.
    """
    folder = dataset_dir(config, "clip4mc", name)
    dataset = config["clip4mc"]["datasets"][name]
    if dataset["source"] == "videos" and dataset["decoder"] == "opencv":
        raise ConfigError(
            f"clip4mc.datasets.{name}: its source is videos, and decoder: opencv reads whole clips only; take another"
        )
    root = str(folder.absolute()) if dataset["paths"] == "absolute" else ""
    stage = Stage(
        system="clip4mc",
        dataset=name,
        name="frames",
        dataset_dir=folder,
        work_dir=Path(config["work_dir"], "clip4mc", name),
        **_source_list(dataset),
        settings=byte_settings(dataset),
        means={"tokenizer": dataset["tokenizer"]},
        files=SAMPLE_FILES,
        bytes_per_sample=dataset["num_frames"] * dataset["frame_height"] * dataset["frame_width"] * 3 + _OTHER_BYTES,
        shard_size=dataset["shard_size"],
        sample_timeout_s=dataset["sample_timeout_s"],
        choose=partial(choose_samples, dataset),
        index={key: dataset[key] for key in _INDEX_SETTINGS} | {"root": root},
        explain_gone=explain_moves,
        options=PlanOptions.from_config(dataset),
        link=dataset_link(config, "clip4mc", name),
    )
    on_gpu = gpu_means(config, dataset)
    if dataset["decoder"] == "nvdec":
        return replace(stage, means=stage.means | on_gpu)
    if dataset["decoder"] == "auto" and machine is not None:
        decide = partial(choose_decoder, machine=machine, workers=dataset["workers"], on_gpu=on_gpu)
        return replace(with_choice(stage, read_choice(stage.work_dir), on_gpu), decide=decide)
    return stage


def clips_stage(config: Mapping[str, Any], name: str) -> Stage:
    """Describe the stage that cuts the clips of a dataset out of its whole videos.

    It lies in a folder of its own within the dataset's, with plans, ledger and index of its own.

    Args:
        config: the whole configuration, as `load_config` gives it.
        name: the dataset.

    Raises:
        ConfigError: as `frames_stage`; or the dataset has clips already.
    """
    frames = frames_stage(config, name)
    dataset = config["clip4mc"]["datasets"][name]
    if dataset["source"] != "videos":
        raise ConfigError(
            f"clip4mc.datasets.{name}: its source is clips; only datasets with source: videos are cut into clips"
        )
    clips_dir = frames.dataset_dir / "clips"
    return replace(
        frames,
        name="clips",
        title=f"{frames.label} clips",
        dataset_dir=clips_dir,
        work_dir=frames.work_dir / "clips",
        read_list=lambda: _without_text(frames.read_list()),
        settings={"format": CLIPS_FORMAT},
        means={},
        files=(CLIP_FILE,),
        bytes_per_sample=_CLIP_BYTES,
        index={"root": str(clips_dir.absolute()) if dataset["paths"] == "absolute" else ""},
        link_to=frames.dataset_dir,
    )


def _without_text(entries: Iterable[SourceEntry]) -> Iterator[SourceEntry]:
    """Entries without what changes no clip: a new caption cuts none again."""
    for key, source, text in entries:
        entry = json.loads(text)
        yield SourceEntry(key, source, canonical_json({k: v for k, v in entry.items() if k not in ("caption", "size")}))


def _source_list(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Where the sources are and who reads their list."""
    if dataset["source"] == "videos":
        listed = MetadataList(Path(dataset["metadata"]), Path(dataset["info_csv"]))
        return {
            "source_dir": Path(dataset["videos_dir"]),
            "source_option": "videos_dir",
            "read_list": listed.read,
            "remarks": listed.remarks,
        }
    return {
        "source_dir": Path(dataset["clips_dir"]),
        "source_option": "clips_dir",
        "read_list": partial(read_pairs, Path(dataset["pairs"])),
    }


def byte_settings(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """The settings on which the bytes of a sample depend."""
    settings = {key: dataset[key] for key in _BYTE_SETTINGS}
    if dataset["decoder"] == "opencv":
        settings["scaler"] = "cv2"  # it always scales so
    else:
        settings["decoder"] = "cpu"  # all others give its bytes: which one it is stands in the means
    return settings | {"format": FORMAT, "tokenizer": _tokenizer_digest(dataset["tokenizer"])}


def _tokenizer_digest(folder: str) -> str:
    """Digest of the files that the tokenizer is read from, wherever they lie."""
    if folder == "embedded":
        return folder
    try:
        return "-".join(f"{path.name}:{digest_file(path)}" for path in tokenizer_files(Path(folder)))
    except OSError as error:
        raise ConfigError(f"tokenizer: {error.filename}: {error.strerror}") from error


def choose_samples(dataset: Mapping[str, Any], keys: Sequence[str]) -> Sequence[int]:
    """The positions in the list that `select` and `max_samples` keep, ascending."""
    positions = choose(keys, select=dataset["select"], seed=dataset["seed"])
    if dataset["max_samples"]:
        some = Selection("random", count=dataset["max_samples"])
        kept = select_keys([keys[position] for position in positions], some, seed=dataset["seed"])
        positions = [positions[place] for place in kept]
    return positions
