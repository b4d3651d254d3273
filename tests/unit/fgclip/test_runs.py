"""scripts.fgclip.runs, .places, .inputs: what trainings and models of a configuration mean together."""

from pathlib import Path
from typing import Any

import pytest

from scripts.fgclip import inputs, places, runs
from scripts.shared.config import load_config
from scripts.shared.errors import ConfigError
from scripts.shared.run_presets import presets

UCF = {"train": "train.json", "test": "test.txt", "videos": "videos"}


def config(**fgclip: Any) -> dict[str, Any]:
    asked = {"clip": "/models/clip", "datasets": {"ucf": UCF}} | fgclip
    return load_config({"fgclip": asked}, lambda _key: "config.yaml")


def run(**options: Any) -> dict[str, Any]:
    return runs.run_options(config(runs={"mine": {"dataset": "ucf"} | options}), "mine")


def test_a_run_has_its_own_value_before_its_presets_before_the_default() -> None:
    options = run(preset="debug", lr=0.5)
    assert (options["lr"], options["num_frames"], options["text_lr"]) == (0.5, 64, 5e-6)
    assert (options["seed"], options["clip"]) == (42, "/models/clip")


@pytest.mark.parametrize("name", ["tiny", "debug", "full", "fast"])
def test_every_preset_is_a_run_that_can_be_trained(name: str) -> None:
    asked = config(runs={name: {"dataset": "ucf"}})
    assert runs.run_options(asked, name)["num_frames"] == presets("fgclip")[name]["num_frames"]


def test_the_presets_are_those_of_the_guide_where_these_were_right() -> None:
    full, debug = run(preset="full"), run(preset="debug")
    assert (full["num_frames"], full["batch_size"], full["accumulation"], full["epochs"]) == (256, 4, 4, 10)
    assert (full["lr"], full["text_lr"], full["new_lr"], full["warmup_steps"]) == (1e-5, 5e-6, 1e-4, 0.1)
    assert (debug["videos"], debug["num_frames"], debug["epochs"]) == (10, 64, 2)
    assert (debug["save_steps"], debug["save_total_limit"]) == (5, 2)


def test_a_run_takes_what_its_dataset_says_of_regions_and_clip() -> None:
    asked = config(datasets={"ucf": UCF | {"max_regions": 7, "clip": "tiny"}}, runs={"mine": {"dataset": "ucf"}})
    options = runs.run_options(asked, "mine")
    assert (options["max_regions"], options["clip"]) == (7, "tiny")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "huge"}, "no preset 'huge'; there are tiny, debug, full, fast"),
        ({"dataset": "other"}, "no dataset 'other'; there are ucf"),
        ({"batch_size": 5}, "batch_size: 5 is odd"),
        ({"checkpoints": "all", "max_steps": 10}, "max_steps: 10 ends this training.*set max_steps: 0"),
        ({"checkpoints": [11]}, "epoch 11"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_runs(options: dict[str, Any], message: str) -> None:
    asked = config(runs={"mine": {"dataset": "ucf"} | options})
    with pytest.raises(ConfigError, match=message):
        runs.forms(asked, "ucf")


def test_a_run_without_a_clip_is_refused_and_never_begins_with_random_weights() -> None:
    """Defects W4 and W5 of the guide's program: it went on from random weights."""
    asked = load_config({"fgclip": {"datasets": {"ucf": UCF}, "runs": {"mine": {"dataset": "ucf"}}}}, lambda _key: "")
    with pytest.raises(ConfigError, match="there is no CLIP to begin with"):
        runs.run_options(asked, "mine")


def test_all_models_of_a_dataset_are_compared_unless_some_are_named() -> None:
    two = {"one": {"dataset": "ucf", "epochs": 3, "checkpoints": "all"}, "two": {"dataset": "other"}}
    datasets = {"ucf": UCF, "other": UCF}
    asked = config(datasets=datasets, runs=two)
    assert runs.forms(asked, "ucf") == ["one.init", "one.epoch1", "one.epoch2", "one"]
    assert runs.forms(asked, "other") == ["two.init", "two"]
    named = config(datasets=datasets, runs=two, compare=["two", "one.epoch2"])
    assert (runs.forms(named, "ucf"), runs.forms(named, "other")) == (["one.epoch2"], ["two"])


@pytest.mark.parametrize("form", ["three", "one.epoch3", "one.epoch9"])
def test_a_model_that_is_not_kept_cannot_be_compared(form: str) -> None:
    asked = config(runs={"one": {"dataset": "ucf", "epochs": 3, "checkpoints": [1, 2]}}, compare=[form])
    with pytest.raises(ConfigError, match=r"there are one$|there are one, one\.init, one\.epoch1, one\.epoch2"):
        runs.forms(asked, "ucf")


def test_every_model_has_a_place_of_its_own() -> None:
    asked = config(runs={"mine": {"dataset": "ucf"}})
    forms = ("mine", "mine.init", "mine.epoch2")
    folder = Path("results/fgclip/runs/mine")
    assert [places.model_folder(asked, form) for form in forms] == [
        folder / "model", folder / "init", folder / "epochs" / "2"
    ]  # fmt: skip


def test_a_dataset_cannot_take_the_folder_of_the_trainings() -> None:
    with pytest.raises(ConfigError, match="give the dataset another name"):
        places.data_folder(config(datasets={"runs": UCF}), "runs")


def test_a_run_of_some_videos_trains_on_a_subset() -> None:
    asked = config(runs={"all": {"dataset": "ucf"}, "ten": {"dataset": "ucf", "preset": "debug"}})
    assert inputs.records(asked, "all") == "results/fgclip/ucf/records.json"
    assert inputs.records(asked, "ten") == "results/fgclip/ucf/subsets/10.json"


def test_the_toy_begins_with_words_of_its_records_and_a_clip_with_its_files() -> None:
    asked = config(runs={"toy": {"dataset": "ucf", "preset": "tiny"}, "full": {"dataset": "ucf"}})
    assert inputs.init_inputs(asked, "toy") == {"records": "results/fgclip/ucf/records.json"}
    assert inputs.init_inputs(asked, "full") == {"clip": "/models/clip"}
    assert "a surveillance video of a normal scene" in inputs.init_settings(asked, "toy")["texts"]
    assert inputs.init_settings(asked, "full")["texts"] == []


def test_only_a_frozen_backbone_reads_features() -> None:
    asked = config(runs={"head": {"dataset": "ucf", "finetune": "none"}, "full": {"dataset": "ucf"}})
    assert inputs.train_inputs(asked, "head")["features"] == "work/fgclip/features/head.made"
    assert inputs.features_root(asked, "head") == "results/fgclip/ucf/features"
    assert "features" not in inputs.train_inputs(asked, "full")
    assert inputs.features_root(asked, "full") == ""


def test_the_validator_reads_the_lists_or_their_translation(tmp_path: Path) -> None:
    (tmp_path / "all.txt").write_text("a.json\nb.json\n")
    given = UCF | {"train": str(tmp_path / "all.txt"), "test_boxes": "boxes.json"}
    plain = config(datasets={"ucf": given}, runs={})
    lists = [str(tmp_path / name) for name in ("a.json", "b.json")]
    assert inputs.validation_inputs(plain, "ucf") == {"lists": lists, "test": "test.txt", "test_boxes": "boxes.json"}
    english = config(datasets={"ucf": UCF | {"translations": "zh.tsv"}}, runs={})
    assert inputs.validation_inputs(english, "ucf")["lists"] == "results/fgclip/ucf/translated.json"
    assert "test_boxes" not in inputs.validation_inputs(english, "ucf")


def test_the_table_says_by_which_captions_a_model_learned(tmp_path: Path) -> None:
    (tmp_path / "zh.tsv").write_text("盗窃\ttheft\n", encoding="utf-8")
    two = {"mine": {"dataset": "ucf"}, "control": {"dataset": "ucf", "shuffle_captions": True}}
    said = inputs.about_forms(config(runs=two), "ucf")
    assert [said[form]["captions"] for form in ("mine.init", "mine", "control")] == [
        "none: before the training", "as given", "shuffled: a control"
    ]  # fmt: skip
    translated = {"ucf": UCF | {"translations": str(tmp_path / "zh.tsv")}}
    assert "translated, zh.tsv " in inputs.about_forms(config(datasets=translated, runs=two), "ucf")["mine"]["captions"]
    gone = {"ucf": UCF | {"translations": str(tmp_path / "gone.tsv")}}
    with pytest.raises(ConfigError, match=r"gone\.tsv: cannot be read: No such file"):
        inputs.about_forms(config(datasets=gone, runs=two), "ucf")
