"""Stands in for a GPU's decoder: a software one that gives NV12 frames, as a card does; and decoders that fail."""

from collections.abc import Callable
from typing import Any

import av.error
from av.codec.context import CodecContext
from av.packet import Packet
from av.video.frame import VideoFrame

from scripts.shared.video.nvdec import Card

# FFmpeg's own decoder of this name does nothing without a card.
_SOFTWARE = {"av1": "libdav1d"}
Spoil = Callable[[int, list[VideoFrame]], list[VideoFrame]]


def whole(_: int, frames: list[VideoFrame]) -> list[VideoFrame]:
    """Spoils nothing."""
    return frames


class Spoilt:
    """A decoder whose frames go through something else.

    Args:
        context: the decoder.
        spoil: from the number of `decode` calls so far, counted from 1, and the frames of this one to those given.
    """

    def __init__(self, context: Any, spoil: Spoil) -> None:
        vars(self).update(_context=context, _spoil=spoil, _calls=0)

    def __getattr__(self, name: str) -> Any:
        return getattr(vars(self)["_context"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(vars(self)["_context"], name, value)

    def decode(self, packet: Packet | None) -> list[VideoFrame]:
        vars(self)["_calls"] += 1
        frames: list[VideoFrame] = vars(self)["_spoil"](vars(self)["_calls"], vars(self)["_context"].decode(packet))
        return frames


def soft_context(codec: str) -> Any:
    """A decoder as `nvdec.hardware_context` makes them."""
    context = CodecContext.create(_SOFTWARE.get(codec, codec), "r")
    return Spoilt(context, lambda _, frames: [_nv12(frame) for frame in frames])


def _nv12(frame: VideoFrame) -> VideoFrame:
    converted = frame.reformat(format="nv12", threads=1)
    converted.colorspace = frame.colorspace  # which `reformat` gives another name, and a card does not
    return converted


class Factory:
    """Makes decoders and remembers which.

    Args:
        spoil: see `Spoilt`.
        make: makes the decoder that is spoilt.
    """

    def __init__(self, spoil: Spoil = whole, make: Callable[[str], Any] = soft_context) -> None:
        self.made: list[str] = []
        self._spoil, self._make = spoil, make

    def __call__(self, codec: str) -> Any:
        self.made.append(codec)
        return Spoilt(self._make(codec), self._spoil)


def soft_card(spoil: Spoil = whole) -> Card:
    """A card that is none."""
    return Card(Factory(spoil))


def fail_at(call: int, error: type[av.error.FFmpegError]) -> Spoil:
    """A decoder that fails from one call of `decode` on."""

    def spoil(number: int, frames: list[VideoFrame]) -> list[VideoFrame]:
        if number >= call:
            raise error(1, "made to fail")
        return frames

    return spoil
