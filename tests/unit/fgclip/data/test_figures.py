from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from scripts.fgclip.data.annotated_frames import (
    annotated_frames_figure,
    choose_items,
    colour_of,
    frames_to_show,
    read_item,
)
from scripts.fgclip.data.figures import classes_figure, intervals_figure, write_figures
from scripts.fgclip.data.records import Item, Key, LabelledVideo, Records, Region, TestSet, Video
from scripts.shared.atomic_files import write_json

WIDTH, HEIGHT, N_FRAMES = 64, 48, 20
GAP = (Key(4, 0.0, 0.0, 0.5, 0.5, True), Key(8, 0.5, 0.5, 1.0, 1.0, False), Key(14, 0.0, 0.0, 0.5, 0.5, True))
BOXED = Region("a grey man", None, None, GAP)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames as grey as ten times their number."""
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(N_FRAMES):
            frame = av.VideoFrame.from_ndarray(np.full((HEIGHT, WIDTH, 3), 10 * number, np.uint8))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def item(name: str = "Abuse001", *regions: Region) -> Item:
    category = name.rstrip("0123456789")
    return Item(name, name, category, bool(regions), "something happens", (0, N_FRAMES), regions)


def video(path: Path) -> Video:
    return Video(path, N_FRAMES, 25.0, WIDTH, HEIGHT, "ab12")


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_frames_are_shown_that_have_a_box(clip: Path) -> None:
    assert frames_to_show(item("Abuse001", BOXED), video(clip)) == (4, 5, 7, 14)
    assert frames_to_show(item("Normal001"), video(clip)) == (0, 6, 13, 19)
    past = Region("late", None, None, (Key(90, 0.0, 0.0, 1.0, 1.0, True),))
    assert frames_to_show(item("Abuse001", past), video(clip)) == (19,)


def test_the_sheet_shows_the_real_frames_with_their_boxes_and_captions(clip: Path) -> None:
    shown = read_item(item("Abuse001", BOXED), video(clip))
    assert np.abs(shown.frames.mean(axis=(1, 2, 3)) - [40, 50, 70, 140]).max() < 4
    figure = annotated_frames_figure([shown], title="fgclip x")
    assert {"frame 4", "frame 14", "a grey man", "something happens", "Abuse001 (Abuse)"} <= set(texts(figure))
    boxes = [patch for axes in figure.axes for patch in axes.patches if isinstance(patch, Rectangle)]
    assert (boxes[0].get_x(), boxes[0].get_y()) == (0, 0)
    assert len(boxes) == 4
    (height, width) = shown.frames.shape[1:3]
    assert boxes[0].get_width() == pytest.approx(0.5 * width)
    assert boxes[2].get_y() == pytest.approx(0.375 * height)
    assert colour_of(0) == colour_of(6) != colour_of(1)


def test_a_video_that_is_gone_is_said_on_the_sheet(tmp_path: Path) -> None:
    gone = read_item(item("Abuse001", BOXED), video(tmp_path / "gone.mp4"))
    assert any("gone.mp4: no such file" in text for text in texts(annotated_frames_figure([gone], title="x")))


def test_items_of_every_class_are_chosen_and_normal_ones_where_there_are_no_others(clip: Path) -> None:
    items = [item(f"{name}{n:03d}", BOXED) for name in ("Abuse", "Arson", "Robbery") for n in range(9)]
    normal = [item(f"Normal{n:03d}") for n in range(9)]
    videos = {of.video: video(clip) for of in (*items, *normal)}
    chosen = choose_items(Records(videos, (*items, *normal)), 42)
    assert sorted(of.category for of in chosen) == ["Abuse"] * 2 + ["Arson"] * 2 + ["Robbery"] * 2
    assert len(choose_items(Records(videos, tuple(normal)), 42)) == 6


def test_the_bars_count_items_of_each_class(clip: Path) -> None:
    items = (item("Abuse001", BOXED), item("Abuse002"), item("Normal001"))
    figure = classes_figure(Records({of.video: video(clip) for of in items}, items), title="x")
    labels = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    widths = [bar.get_width() for bar in figure.axes[0].patches if isinstance(bar, Rectangle)]
    assert (labels, widths) == (["Abuse", "Normal"], [2, 1, 1, 0])


def test_the_lines_mark_the_intervals_of_each_anomalous_video() -> None:
    videos = (
        LabelledVideo("b", Path("b"), "Arson", 1000, 25.0, ((0, 500), (250, 750))),
        LabelledVideo("a", Path("a"), "Abuse", 10, 25.0, ((5, 10),)),
        LabelledVideo("n", Path("n"), "Normal", 990, 25.0, ()),
    )
    figure = intervals_figure(TestSet(3, videos, (), (), {}), title="fgclip x")
    (image,) = figure.axes[0].images
    lines = np.asarray(image.get_array())
    assert lines.mean(axis=1).tolist() == pytest.approx([0.5, 0.75])
    assert (lines[0, 299], lines[0, 300], lines[1, 449], lines[1, 450]) == (0, 1, 1, 0)
    title = figure.get_suptitle()
    assert title == "fgclip x: 2 anomalous test videos, their intervals marked, 37.75 % of all frames; 1 are normal"


def test_all_figures_are_written_and_of_empty_lists_too(clip: Path, tmp_path: Path) -> None:
    one = item("Abuse001", BOXED)
    tested = LabelledVideo("t", clip, "Abuse", N_FRAMES, 25.0, ((2, 9),))
    for name, records, test in (
        ("full", Records({"Abuse001": video(clip)}, (one,)), TestSet(1, (tested,), (), (), {})),
        ("empty", Records({}, ()), TestSet(0, (), (), (), {})),
    ):
        write_json(tmp_path / "records.json", records.as_json())
        write_json(tmp_path / "test.json", test.as_json())
        figures = {of: tmp_path / name / f"{of}.png" for of in ("annotated_frames", "classes", "test_intervals")}
        write_figures(
            records=tmp_path / "records.json", test=tmp_path / "test.json", figures=figures, title="fgclip x", seed=42
        )
        assert all(path.read_bytes().startswith(b"\x89PNG") for path in figures.values())


def test_an_item_of_a_span_shows_frames_of_it(clip: Path) -> None:
    assert frames_to_show(replace(item("Normal001"), span=(5, 9)), video(clip)) == (5, 6, 7, 8)
