"""The contact sheet: some samples as a training loader would find them, for the eye."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from textwrap import wrap
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from scripts.clip4mc.frame_rule import pick_frames
from scripts.shared.clip_tokens import ClipTokenizer
from scripts.shared.errors import JobError
from scripts.shared.figures.style import DPI, MADE, QUIET, drawable, house_style, say_instead
from scripts.shared.safe_pickle import UnsafePickleError, loads
from scripts.shared.selection import keyed_hash

_MOST_FRAMES = 16  # side by side
# All in pixels.
_STRIP_WIDTH = 1536
_MOST_FRAME = 192  # a frame's width, and its height
_GAP = 2  # between the frames and the curve
_LEFT, _RIGHT, _TOP = 40, 16, 66
_LINE, _UNDER_TEXT, _CURVE, _BETWEEN, _NOTHING = 21, 4, 32, 18, 100
_LINE_LETTERS, _MOST_LINES = 110, 8  # of a caption; beside it is room for the longest key


@dataclass(frozen=True)
class SheetSample:
    """What a contact sheet shows of a sample.

    Attributes:
        key: name of the sample.
        split: `train`, `val` or `test`.
        caption: as its tokens spell it.
        frames: (n_shown, height, width, 3) uint8 RGB.
        sizes: (n_frames,) size of the target entity in each of the sample's frames, shown or not.
    """

    key: str
    split: str
    caption: str
    frames: NDArray[np.uint8]
    sizes: tuple[float, ...]


def choose_for_sheet(splits: Mapping[str, Sequence[str]], *, n_samples: int, seed: int) -> list[tuple[str, str]]:
    """Choose samples for a sheet, from all splits in turn; samples that are added later displace few of them.

    Args:
        splits: keys by split.
        n_samples: how many to choose, where there are as many.
        seed: of the hash that decides.

    Returns:
        Split and key of each, in the order of `splits`.
    """
    drawn = [sorted(keys, key=lambda key: keyed_hash(seed, f"sheet {key}"))[:n_samples] for keys in splits.values()]
    in_turn = [key for keys in zip_longest(*drawn) for key in keys if key is not None]
    chosen = set(in_turn[:n_samples])
    return [(split, key) for split, keys in splits.items() for key in keys if key in chosen]


def read_sample(folder: Path, *, split: str, tokenizer: ClipTokenizer, channel_order: str) -> SheetSample:
    """Read a sample's files as a loader would.

    Args:
        folder: the sample's folder, named by its key.
        split: what it is for.
        tokenizer: the one that made its tokens.
        channel_order: `rgb` or `bgr`, as its frames are stored.

    Raises:
        JobError: a file is absent or does not hold what it should.
    """
    frames: NDArray[np.uint8] = _read(folder / "video_input.pkl", _frames)
    n_frames = len(frames)
    caption: str = _read(folder / "text_input.pkl", lambda data: tokenizer.decode(loads(data)["tokens"]))
    sizes: tuple[float, ...] = _read(folder / "size.json", lambda data: _sizes(data, n_frames))
    shown = frames[pick_frames(n_frames, min(n_frames, _MOST_FRAMES))]
    return SheetSample(folder.name, split, caption, shown if channel_order == "rgb" else shown[..., ::-1], sizes)


def _read(path: Path, read: Callable[[bytes], Any]) -> Any:
    try:
        return read(path.read_bytes())
    except OSError as error:
        raise JobError(f"{path}: {error.strerror}; run again: it is made first") from error
    except (UnsafePickleError, ValueError, TypeError, LookupError, RecursionError) as error:
        raise JobError(f"{path}: damaged ({error}); --config verify=digest makes such samples again") from error


def _frames(data: bytes) -> NDArray[np.uint8]:
    frames = loads(data)
    if not isinstance(frames, np.ndarray):
        raise TypeError("it holds no array")
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or not frames.size:
        raise ValueError(f"it holds {frames.dtype} {frames.shape}")
    return frames


def _sizes(data: bytes, n_frames: int) -> tuple[float, ...]:
    sizes = tuple(map(float, json.loads(data)))
    if len(sizes) != n_frames:
        raise ValueError(f"{len(sizes)} sizes of {n_frames} frames")
    for size in sizes:
        if not 0 <= size <= 1:
            raise ValueError(f"{size} is no size from 0 to 1")
    return sizes


def contact_sheet(samples: Sequence[SheetSample], *, title: str) -> Figure:
    """Draw samples below each other: caption, key and split, the frames in a row, and under them the sizes.

    Args:
        samples: in their order on the sheet; without any the sheet says so.
        title: of the sheet.
    """
    rows = [_Row.of(sample) for sample in samples]
    with house_style():
        page = _Page(_LEFT + _STRIP_WIDTH + _RIGHT, _TOP + (sum(row.height for row in rows) or _NOTHING))
        page.write(12, title, fontsize=14, fontweight="bold")
        page.write(
            38,
            "Frames in the order of time, the caption as its tokens spell it; under each frame how large the target "
            "entity is, from 0 to 1.",
            color=QUIET,
        )
        if not rows:
            say_instead(page.axes(_LEFT, _TOP, _STRIP_WIDTH, _NOTHING), "no sample was made")
        top = _TOP
        for row in rows:
            _draw_row(page, row, top)
            top += row.height
    return page.figure


class _Row(NamedTuple):
    """A sample with the lines of its caption, and how much smaller or larger than stored its frames are drawn."""

    sample: SheetSample
    lines: list[str]
    scale: float

    @classmethod
    def of(cls, sample: SheetSample) -> "_Row":
        _, height, width, _ = sample.frames.shape
        lines = wrap(drawable(sample.caption), _LINE_LETTERS, max_lines=_MOST_LINES, placeholder=" ...") or [
            "(no text)"
        ]
        scale = min(_STRIP_WIDTH / strip_of(sample.frames).shape[1], _MOST_FRAME / width, _MOST_FRAME / height)
        return cls(sample, lines, scale)

    @property
    def text_height(self) -> int:
        return _LINE * len(self.lines) + _UNDER_TEXT

    @property
    def frame_height(self) -> float:
        height: int = self.sample.frames.shape[1]
        return max(self.scale * height, 1.0)

    @property
    def height(self) -> int:
        return round(self.text_height + self.frame_height + _GAP + _CURVE) + _BETWEEN


def strip_of(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frames side by side, white between them.

    Args:
        frames: (n, height, width, 3) RGB.

    Returns:
        (height, n * width + (n - 1) * gap, 3), the gap a fortieth of the width.
    """
    n_frames, height, width, _ = frames.shape
    gap = max(1, width // 40)
    apart = np.pad(frames, ((0, 0), (0, 0), (0, gap), (0, 0)), constant_values=255)
    return apart.swapaxes(0, 1).reshape(height, n_frames * (width + gap), 3)[:, :-gap]


class _Page:
    """A figure on which things have places in pixels, counted from the top left corner."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / DPI, height / DPI))

    def write(self, top: float, text: str, *, right: bool = False, **style: Any) -> None:
        left = _LEFT + (_STRIP_WIDTH if right else 0)
        self.figure.text(
            left / self.width, 1 - top / self.height, text, va="top", ha="right" if right else "left", **style
        )

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        place = (left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height)
        return self.figure.add_axes(place)


def _draw_row(page: _Page, row: _Row, top: float) -> None:
    sample = row.sample
    for number, line in enumerate(row.lines):
        page.write(top + number * _LINE, line, fontsize=12)
    page.write(top, f"{sample.key}   {sample.split}", right=True, color=QUIET)
    top += row.text_height
    strip = strip_of(sample.frames)
    width = row.scale * strip.shape[1]
    picture = page.axes(_LEFT, top, width, row.frame_height)
    picture.imshow(strip, aspect="auto")
    picture.set_axis_off()
    curve = page.axes(_LEFT, top + row.frame_height + _GAP, width, _CURVE)
    # In columns of the strip; the first and the last frame shown are the first and the last of the sample.
    half_frame = sample.frames.shape[2] / 2
    places = np.linspace(half_frame, strip.shape[1] - half_frame, len(sample.sizes))
    curve.fill_between(places, sample.sizes, color=MADE, alpha=0.15, linewidth=0)
    curve.plot(places, sample.sizes, color=MADE, marker="." if len(sample.sizes) <= _MOST_FRAMES else "", clip_on=False)
    curve.set_xlim(0, strip.shape[1])
    curve.set_ylim(0, 1)
    curve.set_xticks([])
    curve.set_yticks([0, 1], ["0", "1"], fontsize=8)
    curve.set_ylabel("size", fontsize=8, labelpad=2)
