"""The demo on real footage: lists, boxes and intervals that agree."""

from pathlib import Path

from scripts.fgclip.data.annotation import read_annotation
from scripts.fgclip.data.boxes import box_at
from scripts.fgclip.data.lookup import VideoIndex
from scripts.fgclip.data.records import Key, Region
from scripts.fgclip.data.shapes import ListedItem, read_items
from scripts.fgclip.scoring.prompts import read_prompts
from scripts.fgclip.translation.table import read_table
from tests.snakemake_run import ROOT

DEMO = ROOT / "tests" / "data" / "demo" / "fgclip"
MOST_BYTES = 2_500_000


def regions(item: ListedItem) -> list[Region]:
    return [
        Region(of.caption, of.start, of.end, tuple(Key(k["frame"], *k["bbox"], k["enabled"]) for k in of.keyframes))
        for of in item.regions
    ]


def test_a_test_videos_boxes_are_there_just_in_its_intervals() -> None:
    annotated = {video.name: video for video in read_annotation(DEMO / "annotation.txt")}
    boxed = {Path(str(item.video)).name: regions(item) for item in read_items(DEMO / "test_boxes.json")}
    assert boxed.keys() == {name for name, video in annotated.items() if video.intervals}
    for name, found in boxed.items():
        for frame in range(100):
            there = any(box_at(region, frame, bin_frames=None) for region in found)
            assert there == any(start <= frame < end for start, end in annotated[name].intervals), (name, frame)


def test_every_video_is_found_and_none_is_both_in_training_and_test() -> None:
    train = {Path(str(item.video)).name for item in read_items(DEMO / "train.txt")}
    test = {video.name for video in read_annotation(DEMO / "annotation.txt")}
    assert train.isdisjoint(test)
    assert {path.name for path in (DEMO / "videos").rglob("*.mp4")} == train | test
    index = VideoIndex(DEMO / "videos")
    assert all(index.find(name) for name in train | test)


def test_the_prompts_have_the_words_of_the_captions() -> None:
    """The toy model knows no others."""
    table = read_table(DEMO / "translations.tsv")
    captions = [
        str(caption)
        for item in read_items(DEMO / "train.txt")
        for caption in (item.caption, *(region.caption for region in item.regions))
    ]
    known = {word for caption in captions for word in (table.translate(caption) or "").lower().split()}
    prompts = read_prompts(DEMO / "prompts.yaml")
    said = [*prompts.normal, *(text for texts in prompts.anomalies.values() for text in texts)]
    assert {word for text in said for word in text.lower().split()} <= known


def test_it_is_small() -> None:
    assert sum(path.stat().st_size for path in DEMO.rglob("*") if path.is_file()) <= MOST_BYTES
