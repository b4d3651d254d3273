"""From a decoded frame to (height, width, 3) RGB: display matrix, scaling, colour.

`swscale` scales and converts in one step, as is quickest. `cv2` makes the very pixels of OpenCV's usual
path: the whole frame to BGR, turned, then `cv2.resize` with INTER_LINEAR.
"""

from typing import Protocol

import numpy as np
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

SCALERS = ("swscale", "cv2")

# Accurate rounding and bit-exact code paths: the same pixels with every kind of vector unit.
_FLAGS = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.BITEXACT


class Scaler(Protocol):
    """Makes a decoded frame (height, width, 3) uint8 RGB."""

    def __call__(self, frame: VideoFrame, *, height: int, width: int) -> NDArray[np.uint8]:
        """Turn, scale and convert one frame."""
        ...


def make_scaler(name: str) -> Scaler:
    """The scaler of a name in `SCALERS`; use it for many frames, its tables are kept between calls."""
    if name == "swscale":
        return _Swscale()
    if name == "cv2":
        return _OpenCV()
    raise ValueError(f"no scaler {name!r}; choose one of {', '.join(SCALERS)}")


class _Swscale:
    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame, *, height: int, width: int) -> NDArray[np.uint8]:
        quarter_turns, mirrored = orientation(frame)
        # Scaling first and turning the small picture is the same up to rounding, and cheaper.
        if quarter_turns % 2:
            height, width = width, height
        small = self._reformatter.reformat(
            frame, width=width, height=height, format="rgb24", interpolation=_FLAGS, threads=1
        )
        return _turn(_pixels(small), quarter_turns, mirrored)


class _OpenCV:
    def __init__(self) -> None:
        # Only here: OpenCV costs 0.2 s to import, and the other scaler runs where it is not installed.
        import cv2

        cv2.setNumThreads(1)
        self._cv2 = cv2
        self._reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame, *, height: int, width: int) -> NDArray[np.uint8]:
        quarter_turns, mirrored = orientation(frame)
        full = self._reformatter.reformat(frame, format="bgr24", interpolation="BICUBIC", threads=1)
        turned = np.ascontiguousarray(_turn(_pixels(full), quarter_turns, mirrored))
        small = self._cv2.resize(turned, (width, height), interpolation=self._cv2.INTER_LINEAR)
        return np.asarray(small[:, :, ::-1], dtype=np.uint8)


def orientation(frame: VideoFrame) -> tuple[int, bool]:
    """(quarter turns counter-clockwise, mirrored left to right after turning) that the display matrix asks for.

    Angles between the quarters are left alone, as OpenCV does.
    """
    side_data = frame.side_data.get("DISPLAYMATRIX")
    if not isinstance(side_data, SideData):
        return 0, False
    # Rows of three 16.16 numbers: (x', y') = (a x + c y, b x + d y), y downwards.
    a, b, _, c, d, *_ = np.frombuffer(bytes(side_data), dtype="<i4")
    matrix = np.array([[a, c], [b, d]], dtype=np.int64)
    unit = int(np.abs(matrix).max())
    for mirrored in (False, True):
        for quarter_turns in range(4):
            if unit and np.array_equal(_matrix(quarter_turns, mirrored) * unit, matrix):
                return quarter_turns, mirrored
    return 0, False


def shown_size(frame: VideoFrame) -> tuple[int, int]:
    """Width and height of a frame as it is shown, in pixels."""
    quarter_turns, _ = orientation(frame)
    return (frame.height, frame.width) if quarter_turns % 2 else (frame.width, frame.height)


def _matrix(quarter_turns: int, mirrored: bool) -> NDArray[np.int64]:
    """Where pixel directions (x, y), y downwards, go when a picture is turned and then mirrored."""
    counter_clockwise = np.array([[0, 1], [-1, 0]], dtype=np.int64)
    turned = np.linalg.matrix_power(counter_clockwise, quarter_turns)
    return np.diag([-1, 1]) @ turned if mirrored else turned


def _turn(picture: NDArray[np.uint8], quarter_turns: int, mirrored: bool) -> NDArray[np.uint8]:
    turned = np.rot90(picture, quarter_turns)
    return turned[:, ::-1] if mirrored else turned


def _pixels(frame: VideoFrame) -> NDArray[np.uint8]:
    """(height, width, 3) view of a packed 24-bit frame; copy it before the frame goes."""
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(-1, plane.line_size)
    return rows[: frame.height, : frame.width * 3].reshape(frame.height, frame.width, 3)
