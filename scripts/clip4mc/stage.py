"""The stage `frames` of a CLIP4MC dataset, as the planner needs it. Light: the Snakefile imports it."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from scripts.clip4mc.pairs import explain_moves, read_pairs
from scripts.shared.errors import ConfigError
from scripts.shared.fingerprints import digest_file
from scripts.shared.planning.stage import PlanOptions, Stage
from scripts.shared.selection import Selection, parse_selection, select_keys
from scripts.shared.tokenizer_files import tokenizer_files

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
_OTHER_BYTES = 2_000  # a sample's pickle headers, tokens and sizes, about


def frames_stage(config: Mapping[str, Any], name: str) -> Stage:
    """Describe the stage that makes a dataset's samples.

    Args:
        config: the whole configuration, as `load_config` gives it.
        name: the dataset.

    Raises:
        ConfigError: there is no such dataset, another one has the same output folder, or its tokenizer is none.
    """
    datasets = config["clip4mc"]["datasets"]
    if name not in datasets:
        raise ConfigError(f"clip4mc: no dataset {name!r}; there are {', '.join(datasets) or 'none'}")
    dataset = datasets[name]
    dataset_dir = _output_dir(config, name)
    _check_apart(config, name)
    link = Path(config["results_dir"], "clip4mc", name)
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
        means={"tokenizer": dataset["tokenizer"]},
        files=SAMPLE_FILES,
        bytes_per_sample=dataset["num_frames"] * dataset["frame_height"] * dataset["frame_width"] * 3 + _OTHER_BYTES,
        shard_size=dataset["shard_size"],
        sample_timeout_s=dataset["sample_timeout_s"],
        choose=partial(choose_samples, dataset),
        index={key: dataset[key] for key in _INDEX_SETTINGS} | {"root": root},
        explain_gone=explain_moves,
        options=PlanOptions.from_config(dataset),
        link=link if dataset_dir.absolute() != link.absolute() else None,
    )


def _output_dir(config: Mapping[str, Any], name: str) -> Path:
    chosen = config["clip4mc"]["datasets"][name].get("output_dir")
    return Path(chosen) if chosen else Path(config["results_dir"], "clip4mc", name)


def _check_apart(config: Mapping[str, Any], name: str) -> None:
    """Two datasets in one folder would take each other's samples for their own."""
    mine = _output_dir(config, name).resolve()
    for other in config["clip4mc"]["datasets"]:
        theirs = _output_dir(config, other).resolve()
        if other != name and (mine.is_relative_to(theirs) or theirs.is_relative_to(mine)):
            raise ConfigError(
                f"clip4mc.datasets: {name} and {other} would both lie in {min(mine, theirs)}; give each an output_dir "
                "of its own"
            )


def byte_settings(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """The settings on which the bytes of a sample depend."""
    settings = {key: dataset[key] for key in _BYTE_SETTINGS}
    if dataset["decoder"] == "opencv":
        settings["scaler"] = "cv2"  # it always scales so
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
    if dataset["select"] == "all" and not dataset["max_samples"]:
        return range(len(keys))
    positions = select_keys(keys, parse_selection(dataset["select"]), seed=dataset["seed"])
    if dataset["max_samples"]:
        some = Selection("random", count=dataset["max_samples"])
        kept = select_keys([keys[position] for position in positions], some, seed=dataset["seed"])
        positions = [positions[place] for place in kept]
    return positions
