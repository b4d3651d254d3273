import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from scripts.shared.config import SCHEMA_DIR, load_config, read_config, read_schema, systems
from scripts.shared.errors import ConfigError

ROOT = Path(__file__).parents[3]
DATASET = {"pairs": "pairs.json", "clips_dir": "clips"}


def load(**raw: Any) -> dict[str, Any]:
    return load_config(raw, lambda key: "--config" if key == "verify" else "my.yaml")


def error(**raw: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load(**raw)
    return str(caught.value)


def test_the_shipped_configuration_is_valid() -> None:
    raw = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    assert load(**raw)["clip4mc"]["datasets"]


def test_every_option_has_a_description_and_a_default_of_its_own_type() -> None:
    def walk(properties: dict[str, Any]) -> None:
        for name, part in properties.items():
            if "properties" in part:
                walk(part["properties"])
            assert part.get("description"), name
            if "default" in part:
                assert Draft202012Validator(part).is_valid(part["default"]), name

    walk(read_schema()["properties"])
    for path in SCHEMA_DIR.glob("*.json"):
        Draft202012Validator.check_schema(json.loads(path.read_text()))


@pytest.mark.parametrize("path", sorted(SCHEMA_DIR.glob("*.json")), ids=lambda path: path.name)
def test_no_option_stands_twice_in_a_schema(path: Path) -> None:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs), [key for key, _ in pairs]
        return dict(pairs)

    json.loads(path.read_text(), object_pairs_hook=unique)


def test_a_model_has_the_defaults_of_its_options() -> None:
    models = load(cnclip={"models": {"base": {"weights": "b.pt"}, "own": {"weights": "c.pt", "trained_on": ["muge"]}}})
    assert models["cnclip"]["models"] == {
        "base": {"weights": "b.pt", "features": {}, "trained_on": []},
        "own": {"weights": "c.pt", "features": {}, "trained_on": ["muge"]},
    }


def test_a_config_names_only_what_differs() -> None:
    config = load(clip4mc={"datasets": {"train": DATASET}})
    dataset = config["clip4mc"]["datasets"]["train"]
    assert (dataset["num_frames"], dataset["seed"], dataset["source"]) == (16, 42, "clips")
    assert config["results_dir"] == "results"


def test_a_dataset_beats_its_system_and_the_system_beats_the_top_level() -> None:
    raw = {"datasets": {"a": DATASET | {"seed": 1, "num_frames": 4}, "b": DATASET}, "seed": 2, "num_frames": 8}
    config = load(seed=3, verify="full", clip4mc=raw)["clip4mc"]["datasets"]
    assert [(config[name]["seed"], config[name]["num_frames"], config[name]["verify"]) for name in "ab"] == [
        (1, 4, "full"),
        (2, 8, "full"),
    ]
    assert load(seed=3, clip4mc={"datasets": {"a": DATASET}})["clip4mc"]["datasets"]["a"]["seed"] == 3


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("false", False), ("timeout,no_video", ["timeout", "no_video"]), ("[a]", ["a"])]
)
def test_strings_of_the_command_line_become_what_the_schema_asks_for(text: str, value: Any) -> None:
    assert load(retry_failed=text)["retry_failed"] == value


@pytest.mark.parametrize("part", [["x", "first:1"], "[x, 'first:1']"])
def test_a_part_of_a_dataset_may_be_a_list_of_names(part: Any) -> None:
    dataset = DATASET | {"select": part}
    assert load(clip4mc={"datasets": {"a": dataset}})["clip4mc"]["datasets"]["a"]["select"] == ["x", "first:1"]
    assert "select" in error(clip4mc={"datasets": {"a": DATASET | {"select": []}}})
    assert "select" in error(clip4mc={"datasets": {"a": DATASET | {"select": "x"}}})


def test_numbers_of_the_command_line_become_numbers_at_any_depth() -> None:
    config = load(seed="7", max_failed_fraction="0.5", clip4mc={"num_frames": "8", "datasets": {"a": DATASET}})
    assert (config["seed"], config["max_failed_fraction"]) == (7, 0.5)
    assert config["clip4mc"]["datasets"]["a"]["num_frames"] == 8


def test_text_stays_text_though_it_looks_like_a_number() -> None:
    assert load(clip4mc={"datasets": {"a": DATASET | {"pairs": "2024"}}})["clip4mc"]["datasets"]["a"]["pairs"] == "2024"


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ({"clip4mc": {"num_frame": 3}}, "my.yaml: clip4mc: no option 'num_frame'; did you mean 'num_frames'"),
        ({"clip4mc": {"frame_count": 3}}, "'num_frames'"),
        ({"clip": {}}, "my.yaml: no option 'clip'; did you mean 'clip4mc'"),
        ({"zzz": {}}, "options are backup_dir, "),
        (
            {"clip4mc": {"datasets": {"a": DATASET | {"clip_dir": "x"}}}},
            "clip4mc.datasets.a: no option 'clip_dir'; did",
        ),
        ({"clip4mc": {"datasets": {"a": {"pairs": "x"}}}}, "clip4mc.datasets.a: 'clips_dir' is missing: Folder"),
        ({"clip4mc": {"datasets": {"../a": DATASET}}}, "'../a' does not match"),
        ({"clip4mc": {"num_frames": "many"}}, "clip4mc.num_frames: 'many' is no integer"),
        ({"clip4mc": {"num_frames": 0}}, "clip4mc.num_frames: 0 is less than the minimum of 1"),
        ({"clip4mc": {"scaler": "nearest"}}, "clip4mc.scaler: 'nearest' is not one of swscale, cv2"),
        ({"clip4mc": None}, "clip4mc: None is no object"),
        ({"verify": "sometimes"}, "--config: verify: 'sometimes' is not one of cheap, full, digest"),
        ({"seed": True}, "seed: True is no integer"),
        ({"clip4mc": {"select": "last:3"}}, "clip4mc.select: 'last:3' does not match"),
    ],
)
def test_an_error_names_the_file_the_key_and_the_mend(raw: dict[str, Any], says: str) -> None:
    assert says in error(**raw)


VIDEOS = {"source": "videos", "metadata": "m.json", "info_csv": "i.csv", "videos_dir": "v"}


def test_each_source_takes_its_own_keys() -> None:
    datasets = load(clip4mc={"datasets": {"raw": VIDEOS, "cut": DATASET | {"source": "clips"}}})["clip4mc"]["datasets"]
    assert (datasets["raw"]["videos_dir"], datasets["cut"]["clips_dir"]) == ("v", "clips")


@pytest.mark.parametrize(
    ("dataset", "says"),
    [
        ({k: v for k, v in VIDEOS.items() if k != "videos_dir"}, [": 'videos_dir' is missing: Folder of the whole"]),
        ({"source": "clips", "pairs": "p"}, [": 'clips_dir' is missing: Folder of the clips (source: clips)."]),
        (VIDEOS | {"pairs": "p"}, [".pairs: belongs to source: clips, and this dataset has source: videos; take it"]),
        (
            DATASET | {"metadata": "m", "info_csv": "i"},
            [
                f".{key}: belongs to source: videos, and this dataset has source: clips;"
                for key in ("info_csv", "metadata")
            ],
        ),
        (VIDEOS | {"source": "video"}, [".source: 'video' is not one of clips, videos"]),
        (VIDEOS | {"metadata": 5}, [".metadata: 5 is no string"]),
    ],
)
def test_a_key_that_the_source_lacks_or_must_not_have_is_one_line(dataset: dict[str, Any], says: list[str]) -> None:
    told = error(clip4mc={"datasets": {"raw": dataset}}).splitlines()
    assert len(told) == len(says)
    for line, words in zip(told, says, strict=True):
        assert line.startswith(f"my.yaml: clip4mc.datasets.raw{words}")


def test_all_errors_are_told_at_once() -> None:
    told = error(clip4mc={"num_frames": 0, "scaler": "x"}, seed=-1).splitlines()
    assert len(told) == 3


def test_each_system_of_the_schema_has_datasets() -> None:
    assert systems(read_schema()) == ["clip4mc", "speaker", "pose", "cnclip", "fgclip", "search"]


def test_a_value_that_lies_in_itself_is_told(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text("clip4mc: &all\n  datasets: *all\n")
    with pytest.raises(ConfigError, match=r"a value that lies in itself .*: write it out"):
        read_config(tmp_path / "my.yaml")


def test_a_nul_byte_is_told_with_its_place() -> None:
    assert error(clip4mc={"datasets": {"a": DATASET | {"pairs": "a\0b"}}}).startswith(
        "my.yaml: clip4mc.datasets.a.pairs: a NUL byte"
    )
    assert "my.yaml: speaker.datasets: a NUL byte" in error(speaker={"datasets": {"a\0": {}}})
