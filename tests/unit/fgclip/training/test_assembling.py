"""Every option of a run does something: what one step teaches with it is not what one teaches without."""

import json
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from scripts.fgclip.data.records import Records, Region, read_records
from scripts.fgclip.model.init import make_init
from scripts.fgclip.training.assembling import Parts, put_together
from scripts.fgclip.training.options import RunOptions
from scripts.shared.errors import ConfigError
from scripts.shared.training.processes import Processes
from tests.unit.fgclip.training.small_run import BACKGROUND, make_place, options, write_records

SCHEMA = Path("config/schemas/fgclip.schema.json")
Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    records = make_place(folder, n_train=8)
    # Two things to see in each anomalous clip, so that there can be one too many.
    twice = [replace(item, regions=_twice(item.regions)) for item in records.items]
    write_records(folder / "records.json", Records(records.videos, tuple(twice)))
    return folder


def _twice(regions: tuple[Region, ...]) -> tuple[Region, ...]:
    return (*regions, *(replace(region, caption="a grey disc") for region in regions))


def begin(folder: Path, name: str = "init", **changed: Any) -> Path:
    """A model folder to begin with."""
    make_init(
        folder / name,
        name=name,
        clip="tiny",
        seed=1,
        num_frames=4,
        records=folder / "records.json",
        texts=[BACKGROUND, "nothing happens"],
        **{"temporal_layers": 1, "dropout": 0.0, **changed},
    )
    return folder / name


def parts(folder: Path, chosen: RunOptions, init: str = "init", records: str = "records.json") -> Parts:
    torch.set_num_threads(1)
    plan = {"init": folder / init, "records": folder / records, "features": None}
    return put_together(plan, chosen, Processes.single())


def taught(found: Parts) -> Weights:
    """The weights after one step."""
    found.learner.learn(found.train.batches(range(1)), 0, 1.0)
    return {name: part.detach().clone() for name, part in found.learner.model.named_parameters()}


@cache
def usual(folder: Path) -> Weights:
    return taught(parts(folder, options()))


def differ(one: Weights, other: Weights) -> bool:
    return one.keys() != other.keys() or any(not torch.equal(one[name], other[name]) for name in one)


def test_the_schema_has_what_a_training_takes_and_what_comes_before_it() -> None:
    schema = json.loads(SCHEMA.read_text())
    said = set(schema["$defs"]["run"]["properties"]) | {"max_regions"}  # that of the dataset
    taken = {field.name for field in fields(RunOptions)} - {"name"}
    assert said - taken == {"preset", "dataset", "clip", "videos", "dropout"}  # see runs.py, subset.py and init.py
    assert not taken - said


@pytest.mark.parametrize(
    "changed",
    [
        {"accumulation": 1},
        {"augment": "colour"},
        {"background_caption": "nothing happens"},
        {"background_region": False},
        {"batch_size": 6},
        {"finetune": 1},
        {"keep_best": True},
        {"max_regions": 1},
        {"normal_boxes": "none"},
        {"num_frames": 3},
        {"precision": "bf16"},
        {"region_weight": 0.25},
        {"seed": 7},
        {"shuffle_captions": True},
        {"weight_decay": 0.5},
    ],
    ids=str,
)
def test_an_option_changes_what_is_learnt(place: Path, changed: dict[str, Any]) -> None:
    assert differ(usual(place), taught(parts(place, options(**changed))))


@pytest.mark.parametrize(
    "changed", [{"num_workers": 1}, {"precision": "fp32"}, {"log_steps": 7}, {"save_steps": 1}], ids=str
)
def test_what_only_says_how_a_run_is_made_changes_no_bit(place: Path, changed: dict[str, Any]) -> None:
    """On the CPU `auto` is fp32."""
    assert not differ(usual(place), taught(parts(place, options(**changed))))


def test_with_a_number_for_finetune_the_first_blocks_stay(place: Path) -> None:
    before = dict(parts(place, options()).learner.model.named_parameters())
    after = taught(parts(place, options(finetune=1)))
    moved = {name for name in after if not torch.equal(before[name], after[name])}
    for tower in ("vision_model", "text_model"):
        assert any(name.startswith(f"clip.{tower}.encoder.layers.1.") for name in moved)
        assert not any(name.startswith(f"clip.{tower}.encoder.layers.0.") for name in moved)


def test_without_temporal_layers_clip_alone_learns(place: Path) -> None:
    begin(place, "timeless", temporal_layers=0)
    found = parts(place, options(temporal_layers=0), "timeless")
    before = {name: part.detach().clone() for name, part in found.learner.model.named_parameters()}
    after = taught(found)
    assert not any(name.startswith(("temporal.", "pooling.")) for name in after)
    assert differ(before, after)


def test_dropout_changes_what_is_learnt(place: Path) -> None:
    begin(place, "dropping", dropout=0.5)
    begin(place, "not_dropping")
    assert differ(*(taught(parts(place, options(), init)) for init in ("dropping", "not_dropping")))


@pytest.mark.parametrize("long", [True, False])
def test_long_captions_are_learnt_from_beyond_the_first_ids(place: Path, long: bool) -> None:
    records = read_records(place / "records.json")
    for name, end in (("one.json", "a red square"), ("other.json", "grey discs")):
        told = [replace(item, caption=f"{item.caption} {'a ' * 40}{end}") for item in records.items]
        write_records(place / name, Records(records.videos, tuple(told)))
    begin(place, "long", long_captions=True)
    one, other = (
        taught(parts(place, options(long_captions=long), "long", name)) for name in ("one.json", "other.json")
    )
    assert differ(one, other) == long


def test_long_captions_need_a_beginning_with_places_for_them(place: Path) -> None:
    with pytest.raises(ConfigError, match=r"fgclip\.runs\.test\.long_captions: .*init has no positions"):
        parts(place, options(long_captions=True))


def test_a_frozen_clip_needs_the_features_of_its_frames(place: Path) -> None:
    with pytest.raises(ConfigError, match="finetune: none needs the features"):
        parts(place, options(finetune="none"))


def test_held_out_items_are_not_among_those_that_are_learnt_from(place: Path) -> None:
    all_items = parts(place, options()).train.n_items
    found = parts(place, options(keep_best=True, hold_out=0.5))
    assert found.aside is not None
    assert found.train.n_items + found.aside.n_items == all_items
    assert found.aside.n_items == all_items // 2


def test_items_of_one_kind_are_trained_on_with_a_warning(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    records = read_records(place / "records.json")
    normal = tuple(item for item in records.items if not item.anomalous)
    write_records(place / "normal.json", Records(records.videos, normal))
    taught(parts(place, options(), records="normal.json"))
    assert "all items are of one kind" in caplog.text
