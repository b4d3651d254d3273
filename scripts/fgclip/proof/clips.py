"""Made-up clips: grey and green discs drift about, and in half of the clips a red or blue square is there for a while.

The square is the anomaly. That it is easy to see is the point: a run that does not find it has not learned, and one
that finds it although its captions were shuffled has been told some other way.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 48  # pixels, of every frame
BACKGROUND = "grey and green discs"
_COLOURS = {"Red": (214, 38, 34), "Blue": (36, 64, 222)}
_DISC_COLOURS = ((118, 118, 118), (70, 128, 74))
_N_DISCS = (2, 5)  # least, and most + 1
_DISC_RADII = (3, 7)  # pixels
_SQUARE_SIDES = (10, 17)  # pixels
_SHOWN = (0.25, 0.5)  # part of the frames in which the square is there
_WITH_GAP = 0.4  # of the clips with a square: it leaves for a while, and comes back


@dataclass(frozen=True)
class Clip:
    """One clip as it is drawn.

    Attributes:
        name: file name; the letters at its start are its class.
        category: `RedSquare`, `BlueSquare` or `Normal`.
        frames: (n_frames, SIDE, SIDE, 3) uint8 RGB.
        spans: frames with the square, [first, end), ascending; none in a normal clip.
        boxes: (n_frames, 4) x1, y1, x2, y2 of the square in parts of the sides, on frames without it too.
    """

    name: str
    category: str
    frames: NDArray[np.uint8]
    spans: tuple[tuple[int, int], ...]
    boxes: NDArray[np.float64]


def draw_clips(n: int, *, n_frames: int, seed: tuple[int, ...], first: int) -> Iterator[Clip]:
    """Draw `n` clips, of which every other one is normal; equal arguments give equal frames.

    Args:
        n: how many.
        n_frames: of each clip, 16 or more.
        seed: words of the seed; each clip adds its place to them.
        first: number in the first clip's name.
    """
    for place in range(n):
        rng = np.random.default_rng((*seed, place))
        colour = ("Red", "Blue")[place // 2 % 2] if place % 2 == 0 else None
        name = (
            f"{colour}Square{first + place:03d}_x264.mp4" if colour else f"Normal_Videos_{first + place:03d}_x264.mp4"
        )
        frames = _discs(rng, n_frames)
        spans, boxes = _spans(rng, n_frames), _track(rng, n_frames)
        if colour:
            _paint_square(frames, boxes, spans, _COLOURS[colour])
        yield Clip(name, f"{colour}Square" if colour else "Normal", frames, spans if colour else (), boxes / SIDE)


def caption_of(category: str) -> str:
    """What a clip's square is called."""
    return {"RedSquare": "a red square", "BlueSquare": "a blue square"}[category]


def listed(clip: Clip) -> dict[str, Any]:
    """The clip as a member of a list with boxes (`bbox_info`): keyframes that say just where the square is."""
    if not clip.spans:
        # A caption without keyframes, as normal videos of real lists have it.
        return {
            "f_path": clip.name,
            "global_caption": BACKGROUND,
            "bbox_info": [{"caption": BACKGROUND, "keyframes": []}],
        }
    what = caption_of(clip.category)
    keys = []
    for number, (first, end) in enumerate(clip.spans, 1):
        keys.append(_key(clip, first, enabled=True))
        # A box that ends before the last span is switched off at the first frame without it.
        keys.append(_key(clip, end - 1, enabled=True) if number == len(clip.spans) else _key(clip, end, enabled=False))
    return {
        "f_path": clip.name,
        "global_caption": f"{BACKGROUND} and {what}",
        "bbox_info": [
            {"caption": what, "start_frame": keys[0]["frame"], "end_frame": keys[-1]["frame"], "keyframes": keys}
        ],
    }


def annotation_line(clip: Clip) -> str:
    """The clip's line of a test list in UCF-Crime's form: six fields, two spaces between them and behind the last."""
    numbers = [number for span in clip.spans for number in span] + [-1] * (4 - 2 * len(clip.spans))
    return "  ".join([clip.name, clip.category, *map(str, numbers)]) + "  \n"


def _key(clip: Clip, frame: int, *, enabled: bool) -> dict[str, Any]:
    return {"frame": frame, "bbox": [round(float(side), 4) for side in clip.boxes[frame]], "enabled": enabled}


def _discs(rng: np.random.Generator, n_frames: int) -> NDArray[np.uint8]:
    """(n_frames, SIDE, SIDE, 3) uint8: a ground of one dark or light tint with discs that drift over it."""
    ground = rng.integers(30, 190) + rng.integers(-20, 21, 3)
    frames = np.tile(ground.astype(np.uint8), (n_frames, SIDE, SIDE, 1))
    y, x = np.mgrid[:SIDE, :SIDE]
    for _ in range(rng.integers(*_N_DISCS)):
        colour, radius = _DISC_COLOURS[rng.integers(len(_DISC_COLOURS))], rng.integers(*_DISC_RADII)
        start, end = rng.uniform(0, SIDE, (2, 2))
        centres = np.linspace(start, end, n_frames)
        inside = (x - centres[:, 0, None, None]) ** 2 + (y - centres[:, 1, None, None]) ** 2 <= radius**2
        frames[inside] = colour
    return frames


def _spans(rng: np.random.Generator, n_frames: int) -> tuple[tuple[int, int], ...]:
    """One stretch of a clip, or two with a gap between them, which hold a quarter to a half of the frames."""
    shown = round(rng.uniform(*_SHOWN) * n_frames)
    gap = int(rng.integers(2, n_frames // 4)) if rng.uniform() < _WITH_GAP else 0
    first = int(rng.integers(0, n_frames - shown - gap + 1))
    if not gap:
        return ((first, first + shown),)
    leaves = first + int(rng.integers(2, shown - 1))
    return ((first, leaves), (leaves + gap, first + shown + gap))


def _track(rng: np.random.Generator, n_frames: int) -> NDArray[np.float64]:
    """(n_frames, 4) pixels: a square that keeps its size and moves in a straight line."""
    side = int(rng.integers(*_SQUARE_SIDES))
    start, end = rng.uniform(0, SIDE - side, (2, 2))
    corner = np.linspace(start, end, n_frames)
    return np.hstack([corner, corner + side])


def _paint_square(
    frames: NDArray[np.uint8], boxes: NDArray[np.float64], spans: tuple[tuple[int, int], ...],
    colour: tuple[int, int, int],
) -> None:  # fmt: skip
    for number in (number for span in spans for number in range(*span)):
        x1, y1, x2, y2 = boxes[number].round().astype(int)
        frames[number, y1:y2, x1:x2] = colour
