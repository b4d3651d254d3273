from pathlib import Path
from typing import Any

from scripts.fgclip.data.annotation import AnnotatedVideo
from scripts.fgclip.data.shapes import ListedItem
from scripts.fgclip.data.validation import Facts, Validation, validate
from scripts.fgclip.data.video_facts import VideoFacts
from scripts.shared.index_files import Failure
from tests.unit.fgclip.data.listed import BOX, FACTS, OPTIONS, facts, item, keyframe, options, region

BOXED = region(keyframe(3), keyframe(30))
THERE: dict[str, VideoFacts | Failure] = {
    "Abuse001_x264": FACTS,
    "Normal_Videos001_x264": facts(source="Normal/Normal_Videos001_x264.mp4", n_frames=60, duration_s=2.0),
    "Arson011_x264": facts(source="Arson011_x264.mp4", n_frames=1000),
    "Normal_Videos_003_x264": facts(source="Normal_Videos_003_x264.mp4"),
}
LISTED = [item(BOXED), item(region(), video="Normal_Videos001_x264.mp4", position=1, caption="an empty hall")]
TESTED = [
    AnnotatedVideo("Arson011_x264.mp4", "Arson", ((150, 420), (680, 1267))),
    AnnotatedVideo("Normal_Videos_003_x264", "Normal", ()),
]


def found(listed: list[ListedItem] | None = None, there: Facts = THERE, **more: Any) -> Validation:
    tested, boxed = more.pop("tested", TESTED), more.pop("boxed", [])
    return validate(LISTED if listed is None else listed, tested, boxed, there, options(**more))


def failures(of: Validation) -> list[tuple[str, str]]:
    return [(failure.key, failure.error) for failure in of.failures]


def test_sound_lists_become_records_and_a_test_set() -> None:
    of = found(tested=[TESTED[1]])
    assert (of.failures, of.errors, of.warnings, of.not_selected) == ((), (), (), 0)
    assert [item.name for item in of.records.items] == ["Abuse001_x264", "Normal_Videos001_x264"]
    assert of.records.videos["Abuse001_x264"].path == Path("/mnt/videos/Abuse/Abuse001_x264.mp4")
    assert of.test.videos[0].path == Path("/mnt/videos/Normal_Videos_003_x264.mp4")
    assert of.summary()["ok"] == 3
    assert of.summary()["errors"] == {}


def test_one_bad_item_leaves_the_others() -> None:
    bad = item(region(keyframe(1, [0, 0, 2, 1])), caption="", position=7, span_s=[1, 2])
    of = found([LISTED[0], bad, LISTED[1]])
    assert failures(of) == [("Abuse001_x264", "no_caption")]
    assert of.failures[0].source == "Abuse/Abuse001_x264.mp4"
    assert of.failures[0].message == (
        "train.json: item 7: the item has no caption; write a sentence (and 1 more: see validation.json)"
    )
    assert [(error.item, error.place, error.kind) for error in of.errors] == [
        ("Abuse001_x264", "train.json: item 7", "no_caption"),
        ("Abuse001_x264", "train.json: item 7", "bad_box"),
    ]
    assert len(of.records.items) == 2
    assert of.summary()["errors"] == {"no_caption": 1}


def test_an_item_that_names_no_video_is_told_by_its_place() -> None:
    unread = ListedItem(Path("train.json"), 3, None, None, None, (), "is a text, not an object")
    of = found([*LISTED, unread, item(video=7, position=4), item(video="a b.mp4", position=5)])
    assert failures(of) == [("item 3", "bad_item"), ("item 4", "no_video_name"), ("a b", "bad_name")]
    assert of.failures[0].message == "train.json: item 3: it is a text, not an object"


def test_videos_that_cannot_be_had_fail_their_items() -> None:
    gone = {
        "Abuse001_x264": Failure("Abuse001_x264", "", "missing_video", "no such video"),
        "Normal_Videos001_x264": Failure("Normal_Videos001_x264", "n.mp4", "corrupt", "frame 7 cannot be decoded"),
    }
    of = found([*LISTED, item(region(), span_s=[0, 1])], {**THERE, **gone})
    assert failures(of) == [
        ("Abuse001_x264", "missing_video"),
        ("Normal_Videos001_x264", "undecodable_video"),
        ("Abuse001_x264", "missing_video"),
    ]
    assert "corrupt: frame 7" in of.failures[1].message
    assert of.records.videos == {}


def test_the_same_video_and_span_twice_is_an_error_and_other_spans_are_items() -> None:
    spans = [item(region(), span_s=span, position=number) for number, span in enumerate([None, [0, 4], [4, 9], [0, 4]])]
    of = found(spans)
    assert [item.name for item in of.records.items] == ["Abuse001_x264", "Abuse001_x264@0-4", "Abuse001_x264@4-9"]
    assert failures(of) == [("Abuse001_x264@0-4", "duplicate_item")]
    assert "train.json: item 1 has the same video and the same span" in of.failures[0].message


def test_items_of_videos_that_are_not_selected_are_only_counted() -> None:
    of = found(there={key: THERE[key] for key in ("Abuse001_x264", "Arson011_x264")})
    assert (failures(of), of.not_selected) == ([], 1)
    assert [item.video for item in of.records.items] == ["Abuse001_x264"]
    assert of.test.missing == ("Normal_Videos_003_x264",)
    assert of.test.listed == 2


def test_items_of_one_kind_alone_are_a_warning() -> None:
    assert [(warning.item, warning.kind) for warning in found(LISTED[:1], tested=[]).warnings] == [("", "one_kind")]
    assert "all items are normal" in found(LISTED[1:], tested=[]).warnings[0].message


def test_intervals_past_the_end_are_cut_and_told() -> None:
    of = found()
    assert of.test.videos[0].intervals == ((150, 420), (680, 1000))
    assert of.test.clipped == ({"key": "Arson011_x264", "interval": [680, 1267], "n_frames": 1000},)
    assert [warning.kind for warning in of.warnings] == ["interval_past_the_end"]
    beyond = found(tested=[AnnotatedVideo("Abuse001_x264", "Abuse", ((300, 400),))])
    assert beyond.test.videos[0].intervals == ()


def test_a_missing_test_video_fails_unless_it_may() -> None:
    gone = {**THERE, "Arson011_x264": Failure("Arson011_x264", "", "missing_video", "no such video")}
    strict, lenient = found(there=gone), found(there=gone, allow_missing=True)
    assert failures(strict) == [("Arson011_x264", "missing_video")]
    assert (failures(lenient), [warning.kind for warning in lenient.warnings]) == ([], ["missing_video"])
    for of in (strict, lenient):
        assert (of.test.missing, of.test.listed, len(of.test.videos)) == (("Arson011_x264",), 2, 1)


def test_boxes_belong_to_test_videos_and_need_no_captions() -> None:
    boxes = region(keyframe(150), keyframe(200), caption=None)
    boxed = [item(boxes, video="Arson011_x264", caption=None), item(boxes, caption=None, position=1)]
    of = found(boxed=boxed)
    assert failures(of) == []
    (key, (only,)) = next(iter(of.test.boxes.items()))
    assert (key, list(only.keys[0][1:5])) == ("Arson011_x264", BOX)
    assert [warning.kind for warning in of.warnings if "boxes" in warning.kind] == ["boxes_of_no_test_video"]


def test_the_statistics_count_classes_captions_and_clocks() -> None:
    chinese = item(region(keyframe(299), caption="门"), video="Arson011_x264", position=2, caption="盗窃异常")
    of = found([*LISTED, chinese], tested=[])
    counted = of.statistics
    assert list(counted["classes"]) == ["Abuse", "Normal"]
    assert counted["classes"]["Abuse"] == {
        "items": 1, "anomalous": 1, "videos": 1, "regions": 1, "keyframes": 2, "seconds": 10.0
    }  # fmt: skip
    assert counted["chinese"] == {"Arson": 2}
    assert counted["captions"] == sum(counted["tokens"].values()) == 6
    assert counted["clocks"] == [
        {"annotation_fps": None, "chosen": True, "items": 2, "past_the_end": 0},
        {"annotation_fps": 24.0, "chosen": False, "items": 2, "past_the_end": 0},
    ]
    late = found([item(region(keyframe(3), keyframe(260)))], tested=[])
    assert [clock["past_the_end"] for clock in late.statistics["clocks"]] == [0, 1]


def test_a_long_caption_is_counted_in_clip_s_tokens() -> None:
    of = found([item(BOXED, caption="a man walks " * 26)], tested=[])
    assert "80 tokens" in next(warning.message for warning in of.warnings if warning.kind == "long_caption")


def test_nothing_at_all_is_counted_too() -> None:
    of = validate([], [], [], {}, OPTIONS)
    assert of.summary() | {"warnings": {}} == of.summary()
    assert (of.n_usable, of.statistics["classes"]) == (0, {})
