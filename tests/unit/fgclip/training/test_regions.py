import numpy as np

from scripts.fgclip.data.records import Records, Region
from scripts.fgclip.training.regions import (
    RegionBoxes,
    box_sizes,
    item_regions,
    mirrored,
    random_boxes,
    region_captions,
)
from scripts.fgclip.training.sampling import frame_bins, frames_of
from tests.unit.fgclip.training.small_run import BACKGROUND, box_key, item, options

SIZES = np.array([[0.2, 0.4], [0.3, 0.1]])


def found(of, sizes=SIZES, n_frames=8, **changed) -> RegionBoxes:  # type: ignore[no-untyped-def]
    bins = frame_bins(of.span, n_frames)
    random = np.random.default_rng(0)
    chosen = options(**changed)
    return item_regions(of, region_captions(of), frames_of(bins, None), bins, chosen, sizes, random)


def moving(caption: str, first: int = 8, last: int = 24, *, enabled: bool = True) -> Region:
    return Region(caption, None, None, (box_key(first, enabled=enabled), box_key(last)))


def test_a_region_has_its_box_where_it_is_in_sight() -> None:
    boxes = found(item("a", moving("a man falls")))
    assert boxes.captions == ("a man falls", "", BACKGROUND)
    assert boxes.mask[:, 0].tolist() == [False, False, True, True, True, True, False, False]
    assert boxes.boxes[2, 0].tolist() == [0.25, 0.25, 0.75, 0.75]


def test_a_region_that_is_switched_off_has_no_box_until_its_next_keyframe() -> None:
    """Defect D2 of the guide's program: `enabled` was ignored."""
    assert not found(item("a", moving("a man", enabled=False), moving("a car"))).mask[:, 0].any()


def test_the_background_is_on_the_frames_that_no_region_covers() -> None:
    boxes = found(item("a", moving("a man", 0, 8), moving("a car", 20, 31)))
    assert (boxes.mask[:, 2] == ~boxes.mask[:, :2].any(1)).all()
    assert boxes.mask[:, 2].any()


def test_without_a_background_region_there_is_none() -> None:
    boxes = found(item("a", moving("a man", 0, 8)), background_region=False)
    assert boxes.captions == ("a man", "")
    assert boxes.mask.shape == (8, 2)
    assert not boxes.mask[:, 1].any()


def test_the_background_leaves_out_what_regions_without_room_cover() -> None:
    regions = [moving(str(number), 8 * number, 8 * number + 8) for number in range(4)]
    assert found(item("a", *regions)).captions[2] == ""


def test_more_regions_than_there_is_room_for_take_turns() -> None:
    """Defect D10 of the guide's program: regions beyond the fourth were dropped for ever."""
    of = item("a", *(moving(str(number)) for number in range(5)))
    bins = frame_bins(of.span, 8)
    seen = set()
    for epoch in range(30):
        boxes = item_regions(
            of, region_captions(of), frames_of(bins, None), bins, options(), SIZES, np.random.default_rng(epoch)
        )
        assert "" not in boxes.captions[:2]
        seen |= set(boxes.captions[:2])
    assert seen == {"0", "1", "2", "3", "4"}


def test_a_region_without_boxes_has_no_part_in_an_anomalous_item() -> None:
    """Defect L2 of the guide's program: such regions were black clips that the loss took for good ones."""
    boxes = found(item("a", Region("told alone", None, None, ()), moving("a man")))
    assert boxes.captions[0] == "a man"
    assert not boxes.mask[:, 1].any()


def test_normal_items_have_boxes_of_the_sizes_of_the_others() -> None:
    """Not the whole picture, whose size alone would tell the two kinds apart."""
    boxes = found(item("a", Region("people walk", None, None, ())))
    assert boxes.captions == ("people walk", "", "")
    assert boxes.mask[:, 0].all()
    sizes = boxes.boxes[:, 0, 2:] - boxes.boxes[:, 0, :2]
    assert {tuple(np.round(size, 3)) for size in sizes.tolist()} == {(0.2, 0.4), (0.3, 0.1)}
    assert len(np.unique(boxes.boxes[:, 0], axis=0)) == 8  # another one in each frame


def test_normal_boxes_none_gives_normal_items_no_region() -> None:
    assert not found(item("a", Region("people walk", None, None, ())), normal_boxes="none").mask.any()


def test_without_any_box_to_draw_sizes_from_nothing_is_drawn() -> None:
    assert not found(item("a"), sizes=np.zeros((0, 2))).mask.any()
    assert not found(item("a", moving("a man")), sizes=np.zeros((0, 2))).mask[:, 2].any()


def test_a_normal_item_without_regions_has_its_own_caption_for_one() -> None:
    assert region_captions(item("a", caption="an empty street")) == ["an empty street"]


def test_sizes_are_those_of_boxes_in_sight() -> None:
    region = Region("x", None, None, (box_key(0, 0.1, 0.2, 0.4, 0.6), box_key(5, 0, 0, 1, 1, enabled=False)))
    np.testing.assert_allclose(box_sizes(Records({}, (item("a", region),))), [[0.3, 0.4]])


def test_random_boxes_lie_within_the_picture() -> None:
    boxes = random_boxes(500, np.array([[1.0, 0.2], [0.5, 1.0]]), np.random.default_rng(0))
    assert boxes.min() >= 0
    assert boxes.max() <= 1 + 1e-6


def test_a_box_in_the_mirror_is_on_the_other_side() -> None:
    boxes = np.array([[0.1, 0.2, 0.3, 0.4]], np.float32)
    np.testing.assert_allclose(mirrored(boxes), [[0.7, 0.2, 0.9, 0.4]], atol=1e-6)
    np.testing.assert_allclose(mirrored(mirrored(boxes)), boxes, atol=1e-6)
