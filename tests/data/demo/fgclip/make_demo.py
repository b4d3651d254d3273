"""Cut the demo clips and write their lists: the exact commands that made this folder.

    PYTHONPATH=. python tests/data/demo/fgclip/make_demo.py FOLDER [--sheets DIR]

FOLDER holds vtest.avi and tree.avi (see SOURCES.md). The boxes below were drawn by hand on their whole frames and
are carried into each clip's cut; `--sheets DIR` writes frames of each clip with its boxes as PNG, to look at.
"""

import argparse
import json
import math
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from scripts.shared.video.writing import write_h264

HERE = Path(__file__).parent
VIDEOS = HERE / "videos"
ENCODING = {"preset": "veryslow", "crf": "27"}
TRAINING, TESTING = "Training_Normal_Videos_Anomaly", "Testing_Normal_Videos_Anomaly"

Box = tuple[float, float, float, float]

# x1, y1, x2, y2 in parts of the whole frame, by the source's frame; nobody else sets foot on the lawn in front.
COAT: dict[int, Box] = {
    504: (0.955, 0.775, 1.0, 1.0), 506: (0.92, 0.76, 0.965, 1.0), 512: (0.785, 0.745, 0.865, 0.985),
    518: (0.685, 0.735, 0.75, 0.96), 524: (0.58, 0.695, 0.655, 0.95), 530: (0.485, 0.675, 0.54, 0.915),
    536: (0.41, 0.66, 0.465, 0.9),
    542: (0.355, 0.65, 0.42, 0.89), 548: (0.316, 0.644, 0.383, 0.885), 554: (0.285, 0.655, 0.342, 0.91),
    560: (0.26, 0.675, 0.32, 0.934), 566: (0.235, 0.705, 0.342, 0.965), 572: (0.215, 0.715, 0.295, 0.977),
    578: (0.224, 0.743, 0.298, 1.0), 584: (0.286, 0.734, 0.358, 1.0), 590: (0.339, 0.753, 0.424, 1.0),
    596: (0.342, 0.753, 0.404, 1.0), 602: (0.383, 0.743, 0.445, 1.0), 608: (0.438, 0.743, 0.514, 1.0),
    614: (0.477, 0.738, 0.542, 1.0), 620: (0.487, 0.733, 0.56, 1.0), 632: (0.458, 0.684, 0.523, 0.941),
    644: (0.434, 0.667, 0.508, 0.908), 656: (0.419, 0.628, 0.48, 0.861), 668: (0.327, 0.599, 0.38, 0.818),
    680: (0.198, 0.573, 0.26, 0.783), 692: (0.151, 0.528, 0.21, 0.736), 704: (0.113, 0.481, 0.172, 0.667),
    716: (0.074, 0.441, 0.118, 0.608), 728: (0.11, 0.408, 0.164, 0.569), 740: (0.167, 0.378, 0.208, 0.519),
    750: (0.25, 0.345, 0.29, 0.49),
}  # fmt: skip
JACKET: dict[int, Box] = {
    506: (0.935, 0.78, 1.0, 1.0), 512: (0.83, 0.765, 0.9, 1.0), 518: (0.672, 0.76, 0.798, 1.0),
    524: (0.57, 0.735, 0.663, 0.995), 530: (0.455, 0.695, 0.525, 0.96), 536: (0.335, 0.68, 0.43, 0.931),
    542: (0.273, 0.66, 0.36, 0.913), 548: (0.224, 0.644, 0.301, 0.899), 554: (0.215, 0.623, 0.285, 0.875),
    560: (0.225, 0.613, 0.28, 0.855), 566: (0.245, 0.604, 0.3, 0.84), 572: (0.25, 0.595, 0.32, 0.83),
    578: (0.275, 0.589, 0.34, 0.816), 584: (0.341, 0.573, 0.43, 0.79), 590: (0.451, 0.549, 0.499, 0.76),
    596: (0.51, 0.542, 0.596, 0.75), 602: (0.6, 0.524, 0.665, 0.726), 605: (0.645, 0.52, 0.7, 0.715),
}  # fmt: skip
JACKET_AGAIN: dict[int, Box] = {
    747: (0.305, 0.36, 0.36, 0.52), 752: (0.3, 0.37, 0.345, 0.535), 758: (0.295, 0.39, 0.345, 0.56),
    764: (0.325, 0.41, 0.385, 0.575), 770: (0.375, 0.425, 0.435, 0.6), 776: (0.425, 0.435, 0.48, 0.615),
    782: (0.47, 0.455, 0.53, 0.64), 788: (0.53, 0.47, 0.59, 0.66),
}  # fmt: skip
HAND: dict[int, Box] = {
    53: (0.77, 0.0, 0.92, 0.08), 54: (0.68, 0.0, 1.0, 0.48), 55: (0.69, 0.0, 1.0, 0.7), 56: (0.69, 0.0, 1.0, 0.77),
    57: (0.66, 0.0, 1.0, 0.8), 58: (0.59, 0.0, 1.0, 0.85), 59: (0.5, 0.0, 1.0, 0.76), 60: (0.32, 0.0, 1.0, 0.67),
    61: (0.24, 0.0, 1.0, 0.55), 62: (0.19, 0.0, 0.78, 0.45), 63: (0.14, 0.0, 0.75, 0.39), 64: (0.13, 0.0, 0.7, 0.34),
    65: (0.21, 0.0, 0.85, 0.56), 66: (0.38, 0.0, 1.0, 0.68), 67: (0.5, 0.0, 1.0, 0.72),
}  # fmt: skip


class Track(NamedTuple):
    """Somebody or something to be pointed at, in the frames of a source."""

    caption: str
    boxes: dict[int, Box]


TRACKS = {
    "vtest": [
        Track("草坪上穿黑色外套的人", COAT),
        Track("草坪上穿红蓝夹克的人", JACKET),
        Track("a person in a red and blue jacket on the lawn", JACKET_AGAIN),
    ],
    "tree": [Track("镜头前的一只手", HAND)],
}
VIEWS: dict[str, Box] = {
    "whole": (0.0, 0.0, 1.0, 1.0),
    "left": (0.0, 0.4, 0.6, 1.0),
    "right": (0.4, 0.4, 1.0, 1.0),
    "middle": (0.2, 0.5, 0.7, 1.0),
    "left half": (0.0, 0.0, 0.5, 1.0),
    "right half": (0.5, 0.0, 1.0, 1.0),
}
SOURCES = {"vtest": (320, 240, 10), "tree": (320, 240, 5)}  # width and height of a whole view, and frames a second

NOBODY, NOBODY_ZH = "people walk along the path and nobody is on the lawn", "行人走在路上,草坪上没有人"
WALK, WALK_ZH = "Trespassing: people walk across the lawn", "闯入异常:有人从草坪上走过"
HAND_ZH, TREE = "遮挡异常:一只手挡住了镜头", "a tree in front of a window"
EMPTY = "a normal scene from a surveillance camera"


class Cut(NamedTuple):
    """One clip: its name, and which frames [first, end) of which part of which source it shows, and its caption."""

    name: str
    source: str
    view: str
    first: int
    end: int
    caption: str
    segments: int = 1


# What trains ends before frame 340 (normal) and 635 (events); what tests begins there. Of the one hand before
# the tree, the right half trains and the left half tests.
TRAIN_EVENTS = [
    Cut("Trespassing001", "vtest", "whole", 500, 545, WALK_ZH),
    Cut("Trespassing002", "vtest", "whole", 590, 630, WALK),
    Cut("Trespassing003", "vtest", "left", 515, 560, WALK_ZH),
    Cut("Trespassing004", "vtest", "left", 560, 605, WALK),
    Cut("Trespassing005", "vtest", "right", 500, 560, WALK_ZH),
    Cut("Trespassing006", "vtest", "right", 575, 620, WALK),
    Cut("Trespassing007", "vtest", "middle", 505, 550, WALK_ZH),
    Cut("Trespassing008", "vtest", "middle", 560, 600, WALK),
    Cut("Tampering001", "tree", "right half", 36, 58, HAND_ZH),
    Cut("Tampering002", "tree", "right half", 58, 68, HAND_ZH),
]
TRAIN_NORMAL = [
    Cut("Normal_Videos001", "vtest", "whole", 10, 50, NOBODY_ZH),
    Cut("Normal_Videos002", "vtest", "left", 50, 95, NOBODY),
    Cut("Normal_Videos004", "vtest", "right", 95, 140, NOBODY),
    Cut("Normal_Videos005", "vtest", "middle", 140, 185, NOBODY_ZH),
    Cut("Normal_Videos007", "vtest", "whole", 185, 245, NOBODY, segments=2),
    Cut("Normal_Videos008", "vtest", "left", 245, 275, NOBODY_ZH),
    Cut("Normal_Videos009", "vtest", "right", 275, 305, NOBODY_ZH),
    Cut("Normal_Videos011", "vtest", "middle", 305, 340, NOBODY),
    Cut("Normal_Videos012", "tree", "right half", 0, 36, TREE),
    Cut("Normal_Videos015", "tree", "left half", 0, 15, TREE),
]
TEST = [
    Cut("Trespassing009", "vtest", "right", 640, 720, WALK),
    Cut("Trespassing010", "vtest", "middle", 655, 735, WALK),
    Cut("Trespassing011", "vtest", "whole", 700, 745, WALK),
    Cut("Trespassing012", "vtest", "right", 735, 795, WALK),
    Cut("Tampering003", "tree", "left half", 30, 68, HAND_ZH),
    Cut("Normal_Videos_003", "vtest", "whole", 345, 390, NOBODY),
    Cut("Normal_Videos_006", "vtest", "left", 390, 440, NOBODY),
    Cut("Normal_Videos_010", "vtest", "right", 440, 485, NOBODY),
    Cut("Normal_Videos_013", "vtest", "middle", 345, 395, NOBODY),
    Cut("Normal_Videos_014", "tree", "left half", 15, 30, TREE),
]


def read_source(path: Path) -> list[Image.Image]:
    """All frames of a source."""
    with av.open(path) as container:
        return [Image.fromarray(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def pictures(cut: Cut, frames: list[Image.Image]) -> list[NDArray[np.uint8]]:
    """The frames of a clip."""
    width, height, _ = SOURCES[cut.source]
    x1, y1, x2, y2 = VIEWS[cut.view]
    # A part with the whole's proportions is shown in the whole's size; half of a frame stays half.
    size = (width if math.isclose(x2 - x1, y2 - y1) else int(width * (x2 - x1)), height)
    whole = frames[0].size
    part = (x1 * whole[0], y1 * whole[1], x2 * whole[0], y2 * whole[1])
    return [np.asarray(frame.resize(size, box=part, reducing_gap=None)) for frame in frames[cut.first : cut.end]]


def box_at(track: Track, frame: int) -> Box | None:
    """A track's box at a frame of its source, linear between the two that were drawn."""
    drawn = sorted(track.boxes)
    if not drawn[0] <= frame <= drawn[-1]:
        return None
    values = [float(np.interp(frame, drawn, [track.boxes[key][side] for key in drawn])) for side in range(4)]
    return values[0], values[1], values[2], values[3]


def seen(box: Box | None, view: Box) -> Box | None:
    """A box in parts of a view, where at least half of it lies inside, or it covers an eighth of the view."""
    if box is None:
        return None
    x1, y1, x2, y2 = max(box[0], view[0]), max(box[1], view[1]), min(box[2], view[2]), min(box[3], view[3])
    width, height = view[2] - view[0], view[3] - view[1]
    inside = max(x2 - x1, 0.0) * max(y2 - y1, 0.0)
    if inside < 0.5 * (box[2] - box[0]) * (box[3] - box[1]) and inside < 0.125 * width * height:
        return None
    corners = (x1 - view[0]) / width, (y1 - view[1]) / height, (x2 - view[0]) / width, (y2 - view[1]) / height
    return tuple(round(min(max(value, 0.0), 1.0), 4) for value in corners)  # type: ignore[return-value]


def regions(cut: Cut) -> list[dict[str, Any]]:
    """The tracks that a clip shows, with keyframes where they were drawn and where they come and go."""
    found = []
    for track in TRACKS[cut.source]:
        boxes = [seen(box_at(track, frame), VIEWS[cut.view]) for frame in range(cut.first, cut.end)]
        there = [box is not None for box in boxes]
        keys: list[dict[str, Any]] = []
        for number, box in enumerate(boxes):
            begins = box and (number == 0 or not there[number - 1])
            ends = box and (number + 1 == len(boxes) or not there[number + 1])
            if box and (begins or ends or cut.first + number in track.boxes):
                keys.append({"frame": number, "bbox": list(box), "enabled": True})
            if box is None and number and there[number - 1]:
                keys.append({"frame": number, "bbox": keys[-1]["bbox"], "enabled": False})
        if keys:
            span = {"start_frame": keys[0]["frame"], "end_frame": keys[-1]["frame"]}
            found.append({"caption": track.caption, **span, "keyframes": keys})
    return found


def intervals(cut: Cut) -> list[tuple[int, int]]:
    """Frames [first, end) of a clip in which at least one track is seen."""
    there = [False] * (cut.end - cut.first)
    for track in TRACKS[cut.source]:
        for number in range(len(there)):
            there[number] |= seen(box_at(track, cut.first + number), VIEWS[cut.view]) is not None
    edges = np.flatnonzero(np.diff([0, *map(int, there), 0])).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def file_name(cut: Cut) -> str:
    """The clip's name as lists have it."""
    return f"{cut.name}_x264.mp4"


def folder(cut: Cut) -> str:
    """UCF-Crime's folder of a clip."""
    if not cut.name.startswith("Normal"):
        return cut.name.rstrip("0123456789")
    return TESTING if cut in TEST else TRAINING


def with_boxes(cut: Cut) -> dict[str, Any]:
    """A member of a list with `bbox_info`."""
    return {"f_path": f"{folder(cut)}/{file_name(cut)}", "global_caption": cut.caption, "bbox_info": regions(cut)}


def segments(cut: Cut) -> list[dict[str, Any]]:
    """Members of a list of parallel arrays: stretches of a normal video, in seconds."""
    length = (cut.end - cut.first) / SOURCES[cut.source][2] / cut.segments
    return [
        {
            "video": file_name(cut),
            "global_caption": cut.caption,
            "region_captions": [EMPTY],
            "box_infos": [[]],
            "timestamps": [round(number * length, 3), round((number + 1) * length, 3)],
        }
        for number in range(cut.segments)
    ]


def annotation_line(cut: Cut) -> str:
    """A line of the test list: six fields, two spaces between them and behind the last."""
    category = "Normal" if cut.name.startswith("Normal") else folder(cut)
    numbers = [number for span in intervals(cut) for number in span]
    if len(numbers) > 4:
        raise ValueError(f"{cut.name}: more than two intervals")
    return "  ".join([file_name(cut), category, *map(str, numbers + [-1] * (4 - len(numbers)))]) + "  \n"


def write_list(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write a JSON list, a member a line."""
    lines = ",\n".join(f"  {json.dumps(row, ensure_ascii=False)}" for row in rows)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def write_test_boxes(path: Path) -> None:
    """Write the boxes of the test clips in the older form: an object of videos."""
    rows = {
        file_name(cut): {
            "global": {"Caption": cut.caption},
            "region": [{"caption": region["caption"], "keyframes": region["keyframes"]} for region in regions(cut)],
        }
        for cut in TEST
        if intervals(cut)
    }
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(row, ensure_ascii=False)}" for name, row in rows.items())
    path.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


def write_sheet(cut: Cut, shown: list[NDArray[np.uint8]], target: Path) -> None:
    """Twelve frames of a clip with the boxes that they have there."""
    tiles = []
    for number in np.linspace(0, len(shown) - 1, 12).round().astype(int).tolist():
        picture = Image.fromarray(shown[number])
        pen = ImageDraw.Draw(picture)
        event = any(first <= number < end for first, end in intervals(cut))
        pen.text((3, 3), f"{cut.name} {number} {'event' if event else ''}", fill=(255, 0, 0))
        for track, colour in zip(TRACKS[cut.source], ((255, 255, 0), (255, 0, 0), (255, 0, 255)), strict=False):
            if box := seen(box_at(track, cut.first + number), VIEWS[cut.view]):
                pen.rectangle([side * picture.size[place % 2] for place, side in enumerate(box)], outline=colour)
        tiles.append(np.asarray(picture))
    rows = [np.hstack(tiles[row : row + 4]) for row in (0, 4, 8)]
    Image.fromarray(np.vstack(rows)).save(target / f"{cut.name}.png")


def main() -> None:
    """Make every clip and the lists."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sources", type=Path, help="folder of the two source videos")
    parser.add_argument("--sheets", type=Path, help="also write frames of each clip with its boxes there")
    options = parser.parse_args()
    shutil.rmtree(VIDEOS, ignore_errors=True)
    frames = {name: read_source(options.sources / f"{name}.avi") for name in SOURCES}
    for cut in TRAIN_EVENTS + TRAIN_NORMAL + TEST:
        shown = pictures(cut, frames[cut.source])
        write_h264(VIDEOS / folder(cut) / file_name(cut), shown, fps=SOURCES[cut.source][2], options=ENCODING)
        if options.sheets:
            options.sheets.mkdir(parents=True, exist_ok=True)
            write_sheet(cut, shown, options.sheets)
    write_list(HERE / "train_events.json", [with_boxes(cut) for cut in TRAIN_EVENTS])
    write_list(HERE / "train_normal.json", [row for cut in TRAIN_NORMAL for row in segments(cut)])
    write_test_boxes(HERE / "test_boxes.json")
    (HERE / "annotation.txt").write_text("".join(map(annotation_line, TEST)), encoding="utf-8")


if __name__ == "__main__":
    main()
