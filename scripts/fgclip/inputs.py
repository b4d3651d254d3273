"""What the jobs of trainings, scores and tables read, by the names that their rules give it. Light."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.fgclip import places
from scripts.fgclip.data.shapes import list_files
from scripts.fgclip.model.identity import TINY
from scripts.fgclip.runs import forms, of_run, run_options
from scripts.fgclip.scoring.prompts import read_prompts
from scripts.shared.fingerprints import file_sha256

Config = Mapping[str, Any]


def given_lists(config: Config, dataset: str) -> list[str]:
    """The user's training lists, file by file.

    Raises:
        ConfigError, PlanningError: there is no such dataset, or a list cannot be read.
    """
    options = config["fgclip"]["datasets"][dataset]
    return list(map(str, list_files(Path(options["train"]))))


def is_translated(config: Config, dataset: str) -> bool:
    """Whether a dataset's captions go through a table of translations."""
    return "translations" in config["fgclip"]["datasets"][dataset]


def validation_inputs(config: Config, dataset: str) -> dict[str, str | list[str]]:
    """What the validator reads beside the videos' facts: `lists`, `test`, perhaps `test_boxes`.

    Raises:
        ConfigError, PlanningError: see `given_lists`.
    """
    options = config["fgclip"]["datasets"][dataset]
    lists: str | list[str] = given_lists(config, dataset)
    if is_translated(config, dataset):
        lists = str(places.data_folder(config, dataset) / "translated.json")
    found = {"lists": lists, "test": options["test"]}
    return found | ({"test_boxes": options["test_boxes"]} if "test_boxes" in options else {})


def records(config: Config, run: str) -> str:
    """The items that a run trains on: all of its dataset, or a subset."""
    options = run_options(config, run)
    folder = places.data_folder(config, options["dataset"])
    return str(folder / ("records.json" if options["videos"] == "all" else f"subsets/{options['videos']}.json"))


def init_inputs(config: Config, run: str) -> dict[str, str]:
    """What a training's beginning is made of: `clip`; or `records`, whose words the toy learns.

    Raises:
        ConfigError: see `runs.run_options`.
    """
    clip = run_options(config, run)["clip"]
    return {"records": records(config, run)} if clip == TINY else {"clip": clip}


def init_settings(config: Config, run: str) -> dict[str, Any]:
    """The settings of `model.init.make_init`.

    Raises:
        ConfigError: see `runs.run_options`; or the prompts cannot be read.
    """
    options = run_options(config, run)
    wanted = ("clip", "seed", "num_frames", "temporal_layers", "dropout", "long_captions")
    prompts = read_prompts(places.prompts_file(config, options["dataset"]))
    sentences = [sentence for texts in prompts.anomalies.values() for sentence in texts]
    texts = [*sentences, *prompts.normal, options["background_caption"]] if options["clip"] == TINY else []
    return {key: options[key] for key in wanted} | {"name": f"{run}.init", "texts": texts}


def train_inputs(config: Config, run: str) -> dict[str, str]:
    """What a training reads: `init`, `records`, and with a frozen backbone `features`.

    Raises:
        ConfigError: see `runs.run_options`.
    """
    found = {"init": str(places.model_folder(config, f"{run}.init")), "records": records(config, run)}
    made = Path(config["work_dir"], "fgclip", "features", f"{run}.made")
    return found | ({"features": str(made)} if features_root(config, run) else {})


def features_root(config: Config, run: str) -> str:
    """Where the frames' features of a run with a frozen backbone lie, beside those of others; empty for other runs.

    Raises:
        ConfigError: see `runs.run_options`.
    """
    options = run_options(config, run)
    return str(places.data_folder(config, options["dataset"]) / "features") if options["finetune"] == "none" else ""


def about_forms(config: Config, dataset: str) -> dict[str, dict[str, Any]]:
    """What the comparison says of each model of a dataset beside its scores: preset and captions.

    Raises:
        ConfigError: see `runs.forms`; or the table of translations cannot be read.
    """
    captions = _captions(config, dataset)
    return {form: _about(config, form, captions) for form in forms(config, dataset)}


def _about(config: Config, form: str, captions: str) -> dict[str, Any]:
    options = run_options(config, of_run(form))
    if form.endswith(".init"):
        return {"preset": options["preset"], "captions": "none: before the training"}
    return {"preset": options["preset"], "captions": "shuffled: a control" if options["shuffle_captions"] else captions}


def _captions(config: Config, dataset: str) -> str:
    """Whether captions were translated, and by which state of the table."""
    if not is_translated(config, dataset):
        return "as given"
    table = Path(config["fgclip"]["datasets"][dataset]["translations"])
    return f"translated, {table.name} {file_sha256(table)[:12]}"
