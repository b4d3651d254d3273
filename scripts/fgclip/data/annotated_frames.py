"""The contact sheet of a caption list: frames of some items with their boxes and captions, for the eye."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from scripts.fgclip.data.boxes import box_at
from scripts.fgclip.data.records import Item, Records, Video
from scripts.fgclip.data.subset import stratified
from scripts.shared.errors import SampleError
from scripts.shared.figures.style import QUIET, drawable, house_style, say_instead
from scripts.shared.video.frames import read_frames

COLOURS = ("#e6194b", "#ffb000", "#3cb44b", "#42a5f5", "#f032e6", "#00c8c8")  # of the regions in turn
_ON_SHEET, _SHOWN = 6, 4  # items, and frames of each
_LOOKED_AT = 200  # frames of an item among which those with boxes are looked for
_FRAME_HEIGHT, _GAP = 240, 8  # in pixels: of a frame as decoded, and between two
_LETTERS, _MOST_LINES = 50, 3  # of a caption


@dataclass(frozen=True)
class SheetItem:
    """What a sheet shows of an item.

    Attributes:
        item: its record.
        numbers: of the frames shown.
        frames: (n_shown, height, width, 3) uint8 RGB; none where the video cannot be read any more.
        wrong: why not; empty otherwise.
    """

    item: Item
    numbers: tuple[int, ...]
    frames: NDArray[np.uint8]
    wrong: str = ""


def choose_items(records: Records, seed: int) -> list[Item]:
    """Some anomalous items, of every class in turn; of a list without any, normal ones."""
    anomalous = tuple(item for item in records.items if item.anomalous) or records.items
    chosen: dict[str, Item] = {}
    for item in stratified(Records(records.videos, anomalous), _ON_SHEET, seed).items:
        chosen.setdefault(item.video, item)
    return list(chosen.values())


def frames_to_show(item: Item, video: Video) -> tuple[int, ...]:
    """Frames evenly spread over those in which a region of an item is seen; over its span where none is."""
    start, end = item.span[0], min(item.span[1], video.n_frames)
    keys = [key.frame for region in item.regions for key in region.keys]
    spread = np.linspace(min(keys, default=start), max(keys, default=end - 1), _LOOKED_AT).round()
    looked_at = sorted({min(max(int(frame), start), end - 1) for frame in (*spread, *keys)})
    seen = [frame for frame in looked_at if any(box_at(of, frame, bin_frames=None) for of in item.regions)]
    among = seen or looked_at
    places = np.linspace(0, len(among) - 1, min(_SHOWN, len(among))).round()
    return tuple(among[int(place)] for place in places)


def read_item(item: Item, video: Video) -> SheetItem:
    """Read the frames of an item that a sheet shows."""
    numbers = frames_to_show(item, video)
    width = max(round(_FRAME_HEIGHT * video.width / video.height), 1)
    try:
        read = read_frames(
            video.path,
            lambda n_frames: np.minimum(np.array(numbers, np.int64), n_frames - 1),
            height=_FRAME_HEIGHT,
            width=width,
        )
    except SampleError as error:
        return SheetItem(item, numbers, np.zeros((0, _FRAME_HEIGHT, width, 3), np.uint8), error.message)
    return SheetItem(item, numbers, read.frames)


def annotated_frames_figure(items: Sequence[SheetItem], *, title: str) -> Figure:
    """Draw items below each other: frames in the order of time with their boxes, the captions in the boxes' colours.

    Args:
        items: in their order on the sheet; without any the sheet says so.
        title: of the sheet.
    """
    n_rows = max(len(items), 1)
    with house_style():
        figure = Figure(figsize=(15, 0.6 + 2.3 * n_rows), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left")
        grid = figure.subplots(n_rows, 2, squeeze=False, width_ratios=[1, 3])
        for axes in grid.flat:
            axes.set_axis_off()
        if not items:
            say_instead(grid[0][1], "no item can be used")
        for (beside, strip), shown in zip(grid, items, strict=False):
            _write_captions(beside, shown)
            if shown.wrong:
                say_instead(strip, drawable(shown.wrong))
            else:
                _draw_strip(strip, shown)
    return figure


def _write_captions(axes: Axes, shown: SheetItem) -> None:
    item = shown.item
    captions = [(f"{item.name} ({item.category})", QUIET), (item.caption, "black")]
    captions += [(region.caption, colour_of(number)) for number, region in enumerate(item.regions)]
    lines = [
        (line, colour)
        for caption, colour in captions
        for line in wrap(drawable(caption), _LETTERS, max_lines=_MOST_LINES, placeholder=" ...")
    ]
    for number, (line, colour) in enumerate(lines):
        axes.text(0, 1 - 0.095 * number, line, transform=axes.transAxes, va="top", fontsize=9, color=colour)


def _draw_strip(axes: Axes, shown: SheetItem) -> None:
    """Draw the frames of an item side by side, white between them, each under its number."""
    _, height, width, _ = shown.frames.shape
    step = width + _GAP
    for place, (number, frame) in enumerate(zip(shown.numbers, shown.frames, strict=True)):
        left = place * step
        axes.imshow(frame, extent=(left, left + width, height, 0))
        axes.text(left, -_GAP, f"frame {number:,}", fontsize=9)
        for region_number, region in enumerate(shown.item.regions):
            if (box := box_at(region, number, bin_frames=None)) is not None:
                x1, y1, x2, y2 = box
                corner, size = (left + x1 * width, y1 * height), ((x2 - x1) * width, (y2 - y1) * height)
                axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=colour_of(region_number), linewidth=2))
    axes.set_xlim(0, _SHOWN * step)
    axes.set_ylim(height, 0)
    axes.set_anchor("W")


def colour_of(region_number: int) -> str:
    """The colour of a region's box and caption."""
    return COLOURS[region_number % len(COLOURS)]
