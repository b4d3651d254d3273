from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scripts.fgclip.data.records import Records
from scripts.fgclip.model.tokens import word_tokens
from scripts.fgclip.training.augmentation import changed, recoloured
from scripts.fgclip.training.batches import Pick
from scripts.fgclip.training.frozen import FrozenFeatures, features_file, write_features
from scripts.fgclip.training.item_reader import ItemReader, ReadItem, batch_of, caption_keys
from scripts.fgclip.training.regions import box_sizes
from scripts.shared.training.loading import loaded
from scripts.shared.video import frames as frames_module
from tests.unit.fgclip.training.small_run import make_place, options


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Records]:
    folder = tmp_path_factory.mktemp("items")
    return folder, make_place(folder, n_train=4)


def reader(records: Records, drawn: bool = True, **changed_options: Any) -> ItemReader:
    texts = [text for item in records.items for text in (item.caption, *(r.caption for r in item.regions))]
    given = {key: changed_options.pop(key) for key in ("captions", "features") if key in changed_options}
    return ItemReader(
        records.items,
        records,
        word_tokens(texts, 16),
        options(**changed_options),
        size=48,
        sizes=box_sizes(records),
        drawn=drawn,
        **given,
    )


def same(one: ReadItem, other: ReadItem) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one[1:6], other[1:6], strict=True))


def test_an_item_has_its_frames_boxes_and_captions(place: tuple[Path, Records]) -> None:
    found = reader(place[1])[Pick(0, 0, 0)]
    assert (found.frames.shape, found.frames.dtype) == ((4, 48, 48, 3), torch.uint8)
    assert found.box_mask.shape == (4, 3)
    assert found.caption_ids.shape == (16,)
    assert (found.region_ids.any(1) == found.box_mask.any(0)).all()  # text where there is a region, and only there
    assert not found.unreadable


def test_draws_follow_epoch_and_turn_and_nothing_else(place: tuple[Path, Records]) -> None:
    first, again, later, turn = (
        reader(place[1])[Pick(0, epoch, turn)] for epoch, turn in ((0, 0), (0, 0), (1, 0), (0, 1))
    )
    assert same(first, again)
    assert not torch.equal(first.frames, later.frames)
    assert not torch.equal(first.frames, turn.frames)


def test_held_out_items_are_the_same_each_time(place: tuple[Path, Records]) -> None:
    of = reader(place[1], drawn=False, augment="flip")
    assert all(same(of[Pick(number, 0, 0)], of[Pick(number, 5, 1)]) for number in range(4))


def test_reading_processes_change_nothing(place: tuple[Path, Records]) -> None:
    todo = [Pick(number % 4, number // 4, 0) for number in range(6)]
    of = reader(place[1], augment="colour")
    here, there = (list(loaded(of, todo, workers=workers, pin=False)) for workers in (0, 2))
    assert all(same(one, other) for one, other in zip(here, there, strict=True))


def test_a_video_is_decoded_once_for_all_of_an_items_regions(
    place: tuple[Path, Records], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Defect D11 of the guide's program: it was decoded again for each region."""
    opened = []
    decode = frames_module.decode_exact
    monkeypatch.setattr(
        frames_module, "decode_exact", lambda *given, **named: opened.append(given) or decode(*given, **named)
    )
    found = reader(place[1])[Pick(0, 0, 0)]
    assert len(opened) == 1
    assert len(found.frames) == 4  # and only the frames that are wanted are kept: defect D1


def test_an_item_that_cannot_be_read_is_named_and_has_no_part(place: tuple[Path, Records]) -> None:
    records = place[1]
    first = records.items[0].video
    gone = replace(records, videos={**records.videos, first: replace(records.videos[first], path=Path("gone.mp4"))})
    of = reader(gone)
    found = batch_of([of[Pick(0, 0, 0)], of[Pick(1, 0, 0)]], 4)
    assert found.kept.tolist() == [False, True]
    assert len(found.unreadable) == 1
    assert records.items[0].name in found.unreadable[0]
    assert "left out of its batch" in found.unreadable[0]
    assert found.frame_mask.sum(1).tolist() == [1, 4]


def test_a_video_that_was_replaced_is_not_taken_for_the_one_that_was_checked(place: tuple[Path, Records]) -> None:
    records = place[1]
    first = records.items[0].video
    other = replace(records, videos={**records.videos, first: replace(records.videos[first], n_frames=31)})
    assert "changed" in reader(other)[Pick(0, 0, 0)].unreadable


def test_in_the_control_an_item_has_the_captions_of_another(place: tuple[Path, Records]) -> None:
    own, other = reader(place[1]), reader(place[1], captions=np.array([1, 2, 3, 0]))
    for number in range(4):
        told, of = other[Pick(number, 0, 0)], own[Pick((number + 1) % 4, 0, 0)]
        assert torch.equal(told.caption_ids, of.caption_ids)
        assert torch.equal(told.region_ids[0], of.region_ids[0])


def test_batches_are_padded_and_say_where(place: tuple[Path, Records]) -> None:
    records = place[1]
    short = replace(records, items=(replace(records.items[0], span=(3, 5)), *records.items[1:]))
    of = reader(short)
    found = batch_of([of[Pick(0, 0, 0)], of[Pick(1, 0, 0)]], 4)
    assert found.frame_mask.tolist() == [[True, True, False, False], [True] * 4]
    assert len(found.frames) == 6
    assert not found.box_mask[0, 2:].any()


def test_equal_captions_have_equal_keys() -> None:
    ids = torch.tensor([[1, 5, 2], [1, 6, 2], [1, 5, 2]])
    one, two, three = caption_keys(ids).tolist()
    assert one == three != two


def test_a_flip_mirrors_frames_and_boxes_together() -> None:
    frames = np.zeros((2, 8, 8, 3), np.uint8)
    frames[:, 2:4, 0:2] = 255
    boxes = np.array([[[0, 0.25, 0.25, 0.5]]] * 2, np.float32)
    seen = set()
    for seed in range(10):
        pixels, moved = changed(frames, boxes, "flip", np.random.default_rng(seed))
        x1, _, x2, _ = moved[0, 0]
        assert (pixels[0, 2:4, round(x1 * 8) : round(x2 * 8)] == 255).all()
        seen.add(float(x1))
    assert seen == {0.0, 0.75}


def test_colours_change_alike_in_all_frames_and_boxes_stay() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3)).astype(np.uint8).repeat(3, axis=0)
    boxes = np.zeros((3, 1, 4), np.float32)
    pixels, moved = changed(frames, boxes, "colour", np.random.default_rng(1))
    assert moved is boxes
    assert (pixels == pixels[:1]).all()
    assert (pixels != frames).any()
    assert np.abs(recoloured(frames, np.random.default_rng(2)).astype(int) - frames).max() < 130


def test_frozen_features_are_read_for_the_middle_frames(place: tuple[Path, Records], tmp_path: Path) -> None:
    records = place[1]
    pooled = np.arange(12, dtype=np.float32).reshape(4, 3)
    first, second = (
        features_file(tmp_path, item.name, records.videos[item.video].digest) for item in records.items[:2]
    )
    write_features(first, np.array([3, 11, 19, 27]), pooled)
    write_features(second, np.array([0, 1, 2, 3]), pooled)
    of = reader(records, features=FrozenFeatures(tmp_path, 3))
    assert torch.equal(of[Pick(0, 2, 0)].frames, torch.from_numpy(pooled))
    assert "features are of other frames" in of[Pick(1, 0, 0)].unreadable
    another = replace(records.videos[records.items[0].video], digest="of another video in its place")
    videos = {**records.videos, records.items[0].video: another}
    replaced = reader(replace(records, videos=videos), features=FrozenFeatures(tmp_path, 3))
    assert "no_features" in replaced[Pick(0, 2, 0)].unreadable
    missing = of[Pick(2, 0, 0)]
    assert "no_features" in missing.unreadable
    assert missing.frames.shape == (1, 3)
