import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from scripts.shared.config import load_config
from scripts.shared.errors import ConfigError, PlanningError
from scripts.speaker.stage import embeddings_stage, key_of_embedding


def model(folder: Path, weights: bytes = b"w") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "m.onnx").write_bytes(weights)
    return folder


def stage(tmp_path: Path, **options: Any) -> Any:
    given = {"input_dir": str(tmp_path / "in"), "model_dir": str(tmp_path / "model"), **options}
    given = {key: value for key, value in given.items() if value is not None}
    config = load_config({"speaker": {"datasets": {"studio": given}}}, lambda _: "config.yaml")
    return embeddings_stage(config, "studio")


@pytest.fixture(autouse=True)
def _model(tmp_path: Path) -> None:
    model(tmp_path / "model")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("window", "povey"), ("scale", 1), ("channel", "0"), ("resampler", "sinc"), ("min_frames", 20),
        ("max_seconds", 30), ("batch_seconds", 100), ("precision", "tf32"), ("audio_paths", "relative"),
        ("runtime", "resemblyzer"),
    ],
)  # fmt: skip
def test_what_changes_bytes_changes_the_settings(tmp_path: Path, option: str, value: Any) -> None:
    assert stage(tmp_path, **{option: value}).settings != stage(tmp_path).settings


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("method", "gmm"),
        ("workers", 3),
        ("order", "natural"),
        ("shard_size", 7),
        ("n_speakers", 2),
        ("jobs_per_gpu", 2),
    ],
)
def test_what_changes_no_bytes_changes_no_settings(tmp_path: Path, option: str, value: Any) -> None:
    assert stage(tmp_path, **{option: value}).settings == stage(tmp_path).settings


def test_other_weights_change_the_settings_and_another_place_of_them_does_not(tmp_path: Path) -> None:
    here = stage(tmp_path)
    moved = stage(tmp_path, model_dir=str(model(tmp_path / "elsewhere/model")))
    assert (moved.settings, moved.means == here.means) == (here.settings, False)
    model(tmp_path / "model", b"other")
    assert stage(tmp_path).settings["model_digest"] != here.settings["model_digest"]


def test_a_moved_collection_changes_the_settings_only_where_pickles_name_its_place(tmp_path: Path) -> None:
    def moved(**options: Any) -> bool:
        return bool(stage(tmp_path, input_dir="x", **options).settings != stage(tmp_path, **options).settings)

    assert (moved(), moved(audio_paths="relative")) == (True, False)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"order": "csv"}, "order: csv and order_csv"),
        ({"order_csv": "o.csv"}, "order: csv and order_csv"),
        ({"model_dir": None}, "model_dir: runtime auto needs a model"),
        ({"model_dir": "absent"}, "absent does not exist"),
        ({"select": "random:3"}, "select"),
        ({"embeddings_dir": "e"}, "either input_dir, or embeddings_dir"),
        ({"input_dir": None}, "'input_dir' is missing"),
        ({"input_dir": None, "embeddings_dir": "e"}, "starts from embeddings_dir"),
    ],
)
def test_what_does_not_go_together_is_said(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        stage(tmp_path, **options)


def test_features_choose_window_and_scale_where_these_are_not_set(tmp_path: Path) -> None:
    def chosen(**options: Any) -> tuple[str, int]:
        settings = stage(tmp_path, **options).settings
        return settings["window"], settings["scale"]

    assert chosen() == ("hamming", 32768)
    assert chosen(features="3dspeaker") == ("povey", 1)
    assert chosen(features="3dspeaker", scale=32768) == ("povey", 32768)


def test_an_embedding_is_asked_for_by_its_path(tmp_path: Path) -> None:
    for name in ("a/b.wav", "a/c.wav", "a/c.flac"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"")
    asked = stage(tmp_path)
    assert key_of_embedding(asked, "a/b") == "a/b.wav"
    assert key_of_embedding(asked, "a/c.flac") == "a/c.flac"
    with pytest.raises(PlanningError, match=r"embeddings/a/c\.pkl: no recording"):
        key_of_embedding(asked, "a/c")


def test_a_list_entry_names_the_file_that_the_job_makes(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.wav").write_bytes(b"")
    (entry,) = stage(tmp_path).read_list()
    assert json.loads(entry.entry) == {"source": "a.wav", "files": ["embeddings/a.pkl"]}


@pytest.mark.parametrize(
    ("results_dir", "output_dir", "refused"),
    [
        ("results", None, False),
        ("in/results", None, True),
        ("results", "in", True),
        ("results", "in/out", True),
        ("link/results", "out", True),  # a link to out lies there
        ("in2", None, False),
        (".", None, False),
    ],
)
def test_results_among_the_recordings_are_refused(
    tmp_path: Path, results_dir: str, output_dir: str | None, refused: bool
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "link").symlink_to("in")
    options = {"input_dir": str(tmp_path / "in"), "model_dir": str(tmp_path / "model")}
    if output_dir:
        options["output_dir"] = str(tmp_path / output_dir)
    raw = {"results_dir": str(tmp_path / results_dir), "speaker": {"datasets": {"studio": options}}}
    config = load_config(raw, lambda _: "config.yaml")
    with pytest.raises(ConfigError, match="outside of it") if refused else nullcontext():
        embeddings_stage(config, "studio")
