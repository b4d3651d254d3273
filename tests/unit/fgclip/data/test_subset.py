import json
from collections import Counter
from pathlib import Path

import pytest

from scripts.fgclip.data.records import Item, Key, Records, Region, Video, read_records
from scripts.fgclip.data.subset import stratified, write_subset
from scripts.shared.atomic_files import write_json
from scripts.shared.errors import JobError

BOXED = Region("a man", None, None, (Key(0, 0.0, 0.0, 1.0, 1.0, True),))


def records(**n_videos: int) -> Records:
    """Videos sorted by class, as lists are, each with two items."""
    items = [
        Item(f"{category}{number}@{span}", f"{category}{number}", category, category != "Normal", "x", (span, span + 9),
             (BOXED,) if category != "Normal" else ())
        for category, n in n_videos.items()
        for number in range(n)
        for span in (0, 9)
    ]  # fmt: skip
    return Records(
        {item.video: Video(Path(item.video), 18, 30.0, 320, 240, item.video) for item in items}, tuple(items)
    )


WHOLE = records(Abuse=20, Arson=20, Fighting=3, Robbery=20, Stealing=1, Normal=200)


def classes(of: Records) -> Counter[str]:
    return Counter(of.items[at].category for at in range(0, len(of.items), 2))


def test_half_is_normal_and_every_class_has_its_place() -> None:
    """Defect D8 of the guide's program: the first of a list are of one class and none is normal."""
    assert classes(stratified(WHOLE, 10, 42)) == dict.fromkeys(
        ("Abuse", "Arson", "Fighting", "Robbery", "Stealing"), 1
    ) | {"Normal": 5}
    assert classes(stratified(WHOLE, 20, 42))["Normal"] == 10
    assert set(classes(stratified(WHOLE, 20, 42)).values()) == {1, 2, 3, 10}


def test_all_items_of_a_chosen_video_stay_in_their_order() -> None:
    chosen = stratified(WHOLE, 10, 42)
    assert len(chosen.videos) == 10
    assert len(chosen.items) == 20
    assert [item for item in WHOLE.items if item.video in chosen.videos] == list(chosen.items)


def test_the_seed_decides_and_others_that_are_added_displace_few() -> None:
    first = stratified(WHOLE, 30, 42).videos.keys()
    assert first == stratified(WHOLE, 30, 42).videos.keys()
    assert first != stratified(WHOLE, 30, 43).videos.keys()
    larger = records(Abuse=21, Arson=20, Fighting=3, Robbery=20, Stealing=1, Normal=210)
    assert len(first - stratified(larger, 30, 42).videos.keys()) <= 3


def test_where_one_kind_is_short_the_other_fills_up() -> None:
    assert len(stratified(records(Abuse=1, Normal=20), 10, 42).videos) == 10
    assert len(stratified(records(Normal=5), 10, 42).videos) == 5


def test_a_subset_is_read_like_the_whole_and_says_of_what_it_is(tmp_path: Path) -> None:
    write_json(tmp_path / "records.json", WHOLE.as_json())
    write_subset(tmp_path / "records.json", tmp_path / "subsets/10.json", n=10, seed=42)
    assert read_records(tmp_path / "subsets/10.json") == stratified(WHOLE, 10, 42)
    written = json.loads((tmp_path / "subsets/10.json").read_text())
    assert written["subset"] == {"videos": 10, "seed": 42, "of": WHOLE.digest}


def test_a_subset_of_nothing_is_an_error(tmp_path: Path) -> None:
    write_json(tmp_path / "records.json", Records({}, ()).as_json())
    with pytest.raises(JobError, match=r"records\.json: no item of the list can be used; see validation\.html"):
        write_subset(tmp_path / "records.json", tmp_path / "10.json", n=10, seed=42)
