from typing import Any

import pytest

from scripts.fgclip.data.item_check import CheckedItem, check_item, is_chinese
from scripts.fgclip.data.options import DataOptions
from scripts.fgclip.data.records import Item, Key
from scripts.fgclip.data.shapes import ListedItem
from scripts.fgclip.data.video_facts import VideoFacts
from tests.unit.fgclip.data.listed import BOX, FACTS, OPTIONS, facts, item, keyframe, options, region

BOXED = region(keyframe(3), keyframe(30))


def check(listed: ListedItem, of: VideoFacts = FACTS, under: DataOptions = OPTIONS, **more: Any) -> CheckedItem:
    return check_item(listed, "Abuse001_x264", of, under, n_tokens=lambda text: len(text.split()) + 2, **more)


def made(listed: ListedItem, of: VideoFacts = FACTS, under: DataOptions = OPTIONS) -> Item:
    checked = check(listed, of, under)
    assert checked.item is not None, checked.errors
    return checked.item


def test_a_sound_item_becomes_a_record() -> None:
    found = made(item(region(keyframe(9, enabled=False), keyframe(3), start=2, end=20), region(caption=" a dog ")))
    assert (found.name, found.video, found.category) == ("Abuse001_x264", "Abuse001_x264", "Abuse")
    assert (found.anomalous, found.span, found.caption) == (True, (0, 300), "a man hits a dog")
    first, second = found.regions
    assert first.keys == (Key(3, 0.1, 0.2, 0.5, 0.9, True), Key(9, 0.1, 0.2, 0.5, 0.9, False))
    assert (first.start, first.end) == (2, 20)
    assert (second.caption, second.start, second.end, second.keys) == ("a dog", None, None, ())
    assert check(item(BOXED)).warnings == []


def test_a_region_without_frames_has_those_of_its_keyframes_where_it_has_several() -> None:
    several, single = made(item(BOXED, region(keyframe(5)))).regions
    assert (several.start, several.end) == (3, 30)
    assert (single.start, single.end) == (None, None)


def test_frames_that_only_repeat_those_of_the_keyframes_change_nothing() -> None:
    """So shape A, which gives them, and shapes B and C, which do not, become equal records."""
    assert made(item(region(keyframe(3), keyframe(30), start=3, end=30))) == made(item(BOXED))


def test_a_span_of_one_frame_is_a_span() -> None:
    """Defect D5 of the guide's program: a region of one frame raised, since its last frame was taken as its end."""
    assert made(item(region(keyframe(5), start=5, end=5))).regions[0].end == 5
    assert made(item(BOXED, span_s=[2.0, 2.01])).span == (60, 61)


@pytest.mark.parametrize(
    ("listed", "kind", "words"),
    [
        (item(BOXED, caption=None), "no_caption", "the item has no caption"),
        (item(BOXED, caption="  "), "no_caption", "the item has '  ' as its caption"),
        (item(region(keyframe(1), caption=7)), "no_caption", "region 0 has 7 as its caption"),
        (item(BOXED, caption="a \ud800 man"), "bad_caption", r"the item: .* holds '\\ud800', which is no text"),
        (item(region(keyframe(1), caption="a\0b")), "bad_caption", r"region 0: .* holds '\\x00', which is no text"),
        (item(BOXED, caption="盗窃异常"), "chinese_caption", "'盗窃异常' is Chinese.*option translations"),
        (item(region(keyframe(1), caption="门")), "chinese_caption", "region 0: '门' is Chinese"),
        (item(BOXED, span_s=[4]), "bad_span", r"timestamps are \[4\]; write"),
        (item(BOXED, span_s=["0", "1"]), "bad_span", "write"),
        (item(BOXED, span_s=[4, 4]), "bad_span", "are 4 and 4; the first must"),
        (item(BOXED, span_s=[-1, 4]), "bad_span", "are -1 and 4"),
        (item(BOXED, span_s=[4, 10.5]), "bad_span", r"end at 10\.5 s, but the video at 10\.00 s"),
        (item(BOXED, span_s=[float("nan"), 4]), "bad_span", "write"),
        (item(region(start=9, end=8)), "bad_region", "start_frame 9 comes after end_frame 8"),
        (item(region(start=9)), "bad_region", "start_frame is 9 and end_frame None; write two"),
        (item(region(start=0.5, end=2)), "bad_region", "write two frame numbers"),
        (item(region("x")), "bad_keyframe", "the keyframe 'x' needs frame"),
        (item(region(keyframe(None))), "bad_keyframe", "needs frame"),
        (item(region(keyframe(-1))), "bad_keyframe", "needs frame"),
        (item(region(keyframe(True))), "bad_keyframe", "needs frame"),
        (item(region(keyframe(10**400))), "bad_keyframe", "needs frame"),
        (item(region(keyframe(1, enabled="no"))), "bad_keyframe", "enabled, true or false"),
        (item(region(keyframe(1, [0, 0, 1]))), "bad_box", r"the box \[0, 0, 1\] at frame 1 is not four numbers"),
        (item(region(keyframe(1, [0, 0, 1, None]))), "bad_box", "is not four numbers"),
        (item(region(keyframe(1, [0.1, 0.1, 1.2, 0.5]))), "bad_box", "reaches out of the frame"),
        (item(region(keyframe(1, [-0.1, 0.1, 0.2, 0.5]))), "bad_box", "reaches out of the frame"),
        (item(region(keyframe(1, [35, 86, 196, 222]))), "bad_box", "as fractions of width and height"),
        (item(region(keyframe(1, [0.5, 0.1, 0.5, 0.9]))), "bad_box", "is empty"),
        (item(region(keyframe(1, [0.1, 0.9, 0.5, 0.2]))), "bad_box", "corners, not width and height"),
        (item(region(keyframe(1, [1.0002, 0.1, 1.0009, 0.2]))), "bad_box", "is empty"),
    ],
)
def test_each_error_is_named_with_its_mend(listed: ListedItem, kind: str, words: str) -> None:
    checked = check(listed)
    assert checked.item is None
    assert [error.kind for error in checked.errors] == [kind]
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(checked.errors[0].message)


def test_two_keyframes_on_one_frame_are_an_error() -> None:
    """Defect D3 of the guide's program: two keyframes on one frame divided by zero."""
    checked = check(item(region(keyframe(4), keyframe(9), keyframe(4))))
    assert [(error.kind, error.message) for error in checked.errors] == [
        ("two_keyframes", "region 0: two keyframes at frame 4; take one out")
    ]


def test_all_errors_of_an_item_are_told() -> None:
    checked = check(item(region(keyframe(1, [0, 0, 2, 1]), caption=""), BOXED, region(start=2, end=1), caption=""))
    assert [error.kind for error in checked.errors] == ["no_caption", "no_caption", "bad_box", "bad_region"]
    assert checked.errors[-1].message.startswith("region 2: ")


def test_a_file_without_times_takes_frames_but_no_seconds() -> None:
    """Defect D9 of the guide's program: a rate of 0 with timestamps gave an empty clip."""
    timeless = facts(fps=0.0, duration_s=0.0)
    assert [warning.kind for warning in check(item(BOXED), timeless).warnings] == ["no_frame_rate"]
    for listed, under in ((item(BOXED, span_s=[1, 2]), OPTIONS), (item(BOXED), options(annotation_fps=24))):
        assert {error.kind for error in check(listed, timeless, under).errors} == {"no_frame_rate"}


def test_a_box_rounded_beyond_the_border_is_cut_there() -> None:
    (key,) = made(item(region(keyframe(1, [-0.0004, 0, 1.0003, 0.5])))).regions[0].keys
    assert (key.x1, key.x2) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("changed", "frames"),
    [
        ({}, [2, 12, 20]),
        ({"keyframe_base": 1}, [1, 11, 19]),
        ({"annotation_fps": 24}, [3, 15, 25]),
        ({"annotation_fps": 24, "keyframe_base": 1}, [1, 14, 24]),
        ({"annotation_fps": 60}, [1, 6, 10]),
    ],
)
def test_frames_are_told_on_the_video_s_own_clock(changed: dict[str, Any], frames: list[int]) -> None:
    """Defect D13 of the guide's program: Label Studio's clock of 24 frames a second was never reconciled."""
    (found,) = made(item(region(keyframe(2), keyframe(12), start=2, end=20)), under=options(**changed)).regions
    assert [*(key.frame for key in found.keys), found.end] == frames
    assert found.start == frames[0]


def test_of_two_keyframes_that_come_to_one_frame_the_later_holds() -> None:
    slow = facts(fps=10.0, duration_s=30.0)
    (found,) = made(item(region(keyframe(24), keyframe(25, enabled=False))), slow, options(annotation_fps=24)).regions
    assert [(key.frame, key.enabled) for key in found.keys] == [(10, False)]


def test_a_frame_below_the_base_is_an_error() -> None:
    checked = check(item(region(keyframe(0), start=0, end=5)), under=options(keyframe_base=1))
    assert [error.kind for error in checked.errors] == ["bad_region", "bad_keyframe"]


def test_a_span_in_seconds_becomes_frames_and_part_of_the_name() -> None:
    found = made(item(region(), span_s=[1.5, 10.05]))
    assert (found.name, found.span, found.anomalous) == ("Abuse001_x264@1.5-10.05", (45, 300), False)


@pytest.mark.parametrize(
    ("listed", "kind", "words"),
    [
        (item(region(keyframe(5))), "single_keyframe", "1 of its regions"),
        (item(*[BOXED] * 5), "many_regions", "5 regions, of which a training takes max_regions: 4"),
        (item(region(keyframe(3), keyframe(300))), "past_the_end", "up to frame 300, but the video ends with 299"),
        (item(region(keyframe(3), keyframe(9), start=3, end=400)), "past_the_end", "annotation_fps"),
        (item(BOXED, caption="word " * 76), "long_caption", "78 tokens, of which CLIP reads 77"),
        (item(region()), "anomaly_without_boxes", "class Abuse without keyframes"),
    ],
)
def test_each_warning_is_named_and_the_item_stays(listed: ListedItem, kind: str, words: str) -> None:
    """Defect D10 of the guide's program among them: it dropped regions beyond the fourth without a word."""
    checked = check(listed)
    assert [warning.kind for warning in checked.warnings] == [kind]
    assert words in checked.warnings[0].message
    assert checked.item is not None
    assert len(checked.item.regions) == len(listed.regions)


def test_an_uneven_rate_is_a_warning() -> None:
    assert [warning.kind for warning in check(item(BOXED), facts(variable_fps=True)).warnings] == [
        "variable_frame_rate"
    ]


def test_a_normal_video_with_boxes_is_a_warning() -> None:
    checked = check_item(item(BOXED), "Normal_Videos001", FACTS, OPTIONS, n_tokens=len)
    assert [warning.kind for warning in checked.warnings] == ["normal_with_boxes"]
    assert check_item(item(region()), "Normal_Videos001", FACTS, OPTIONS, n_tokens=len).warnings == []


@pytest.mark.parametrize("on_missing", ["stop", "drop"])
def test_an_item_with_a_chinese_caption_cannot_be_used(on_missing: str) -> None:
    checked = check(item(BOXED, caption="盗窃"), under=options(on_missing=on_missing))
    assert (checked.item, [error.kind for error in checked.errors]) == (None, ["chinese_caption"])


def test_a_chinese_caption_that_may_stay_is_a_warning() -> None:
    checked = check(item(BOXED, caption="盗窃"), under=options(on_missing="keep"))
    assert checked.item is not None
    assert [warning.kind for warning in checked.warnings] == ["chinese_caption"]


def test_a_list_of_boxes_needs_no_captions() -> None:
    checked = check(item(region(keyframe(1), keyframe(2), caption=None), caption=None), captioned=False)
    assert checked.item is not None
    shown = check(item(region(keyframe(1), keyframe(2), caption="\ud800"), caption=None), captioned=False)
    assert [error.kind for error in shown.errors] == ["bad_caption"]
    assert (checked.item.caption, checked.item.regions[0].caption) == ("", "")
    assert list(checked.item.regions[0].keys[0][1:5]) == BOX


@pytest.mark.parametrize(("text", "found"), [("a man", False), ("一", True), ("㐀", True), ("豈", True), ("é", False)])
def test_chinese_is_known_by_its_characters(text: str, found: bool) -> None:
    assert is_chinese(text) is found
