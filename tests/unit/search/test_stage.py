"""The stage of a dataset: what its samples depend on, and what is refused before anything is made."""

from pathlib import Path
from typing import Any

import pytest

from scripts.search.stage import key_of_vectors, vectors_stage
from scripts.shared.config import load_config
from scripts.shared.errors import ConfigError, PlanningError


def config(**dataset: Any) -> dict[str, Any]:
    return load_config({"search": {"datasets": {"mine": {"folders": {"a": "a"}, **dataset}}}}, lambda _: "config.yaml")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.jpg").write_bytes(b"x")
    return tmp_path


def test_options_of_videos_and_of_the_index_are_no_settings_of_the_vectors() -> None:
    plain = vectors_stage(config(), "mine")
    other = vectors_stage(config(frame_interval=5, dtype="float16", workers=9, shard_size=7), "mine")
    assert plain.settings == other.settings
    assert plain.index != other.index
    assert vectors_stage(config(min_size=65), "mine").settings != plain.settings


def test_a_file_of_vectors_belongs_to_one_asset() -> None:
    stage = vectors_stage(config(), "mine")
    assert key_of_vectors(stage, "a/x.jpg") == "a/x.jpg"
    with pytest.raises(PlanningError, match=r"vectors/a/y\.jpg\.npz: none of the folders has"):
        key_of_vectors(stage, "a/y.jpg")


def test_results_in_a_folder_that_is_searched_are_refused(here: Path) -> None:
    (here / "results").symlink_to(here / "a")
    with pytest.raises(ConfigError, match=r"search\.datasets\.mine\.folders\.a: results in results.* would lie in a"):
        vectors_stage(config(), "mine")
    with pytest.raises(ConfigError, match="choose results_dir and output_dir outside of it"):
        vectors_stage(config(output_dir="a/deep/er"), "mine")


def test_without_an_index_its_plan_asks_for_one_and_with_one_for_no_other(here: Path) -> None:
    stage = vectors_stage(config(), "mine")
    assert stage.index_of_list()["again"]
    (here / "results/search/mine").mkdir(parents=True)
    (here / "results/search/mine/assets.db").touch()
    assert stage.index_of_list() == {"again": ""}
