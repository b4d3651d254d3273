"""The stage `frames` of a CLIP4MC dataset, as the planner needs it. Light: the Snakefile imports it."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from scripts.clip4mc.pairs import explain_moves, read_pairs
from scripts.shared.errors import ConfigError
from scripts.shared.fingerprints import digest_file
from scripts.shared.selection import parse_selection, select_keys
from scripts.shared.stage import PlanOptions, Stage

FORMAT = 1  # raise when the same settings give other bytes: every sample is made again
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
_TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "merges.txt")
_OTHER_BYTES = 2_000  # a sample's pickle headers, tokens and sizes, about


def frames_stage(config: Mapping[str, Any], name: str) -> Stage:
    """Describe the stage that makes a dataset's samples.

    Args:
        config: the whole configuration, as `load_config` gives it.
        name: the dataset.
    """
    dataset = config["clip4mc"]["datasets"][name]
    link = Path(config["results_dir"], "clip4mc", name)
    dataset_dir = Path(dataset["output_dir"]) if "output_dir" in dataset else link
    root = str(dataset_dir.absolute()) if dataset["paths"] == "absolute" else ""
    return Stage(
        system="clip4mc",
        dataset=name,
        name="frames",
        dataset_dir=dataset_dir,
        work_dir=Path(config["work_dir"], "clip4mc", name),
        source_dir=Path(dataset["clips_dir"]),
        source_option="clips_dir",
        read_list=partial(read_pairs, Path(dataset["pairs"])),
        settings=byte_settings(dataset),
        locations={"tokenizer": dataset["tokenizer"]},
        files=SAMPLE_FILES,
        bytes_per_sample=dataset["num_frames"] * dataset["frame_height"] * dataset["frame_width"] * 3 + _OTHER_BYTES,
        shard_size=dataset["shard_size"],
        sample_timeout_s=dataset["sample_timeout_s"],
        choose=partial(choose_samples, dataset),
        index={key: dataset[key] for key in _INDEX_SETTINGS} | {"root": root},
        explain_gone=explain_moves,
        options=PlanOptions.from_config(dataset),
        link=link if dataset_dir != link else None,
    )


def byte_settings(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """The settings on which the bytes of a sample depend."""
    settings = {key: dataset[key] for key in _BYTE_SETTINGS}
    return settings | {"format": FORMAT, "tokenizer": _tokenizer_digest(dataset["tokenizer"])}


def _tokenizer_digest(folder: str) -> str:
    if folder == "embedded":
        return folder
    files = [path for name in _TOKENIZER_FILES if (path := Path(folder, name)).is_file()]
    if not files:
        raise ConfigError(f"clip4mc.tokenizer: {folder} holds no CLIP tokenizer: neither tokenizer.json nor vocab.json")
    return "-".join(f"{path.name}:{digest_file(path)}" for path in files)


def choose_samples(dataset: Mapping[str, Any], keys: Sequence[str]) -> Sequence[int]:
    """The positions in the list that `select` and `max_samples` keep, ascending."""
    if dataset["select"] == "all" and not dataset["max_samples"]:
        return range(len(keys))
    positions = select_keys(keys, parse_selection(dataset["select"]), seed=dataset["seed"])
    if dataset["max_samples"]:
        some = parse_selection(f"random:{dataset['max_samples']}")
        kept = select_keys([keys[position] for position in positions], some, seed=dataset["seed"])
        positions = [positions[place] for place in kept]
    return positions
