"""Which packets of a video stream must be decoded to get the wanted frames, and no others.

Pure functions over what a demuxer says of each packet, so that a made-up table tests them and any decoder
(a CPU or a graphics card) can follow the same plan. Wherever a table leaves a doubt that the plan gives the
frames of a full sequential decode, `Unplannable` says why and the caller decodes everything.
"""

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Unplannable(Exception):  # noqa: N818 - a finding, not a failure: the caller decodes everything
    """The packets do not prove that a part of them is enough; decode all of them. Its text is the reason."""


class PacketFacts(NamedTuple):
    """What is known of one packet, in the order of the file (decode order).

    Args:
        pts: presentation time in the stream's time base.
        dts: decode time in the stream's time base.
        key: decoding may start here, and every frame from this one on in presentation order is then exact.
        discard: the container says that it is decoded but not shown (edit list).
        unreferenced: no frame of its own or a lower temporal layer refers to it.
        layer: temporal layer, 0 where the codec has none.
        shown: it holds a frame that is shown (VP9 and AV1 know packets that hold none).
        corrupt: the demuxer says that bytes are missing.
    """

    pts: int | None
    dts: int | None
    key: bool
    discard: bool = False
    unreferenced: bool = False
    layer: int = 0
    shown: bool = True
    corrupt: bool = False

    @property
    def is_frame(self) -> bool:
        """Whether the decoder delivers a frame for this packet."""
        return self.shown and not self.discard


@dataclass(frozen=True)
class Run:
    """Packets to send to an empty decoder, one after the other, and then drain it.

    Args:
        send: packet numbers, ascending; the first is a key packet.
        wanted: the packets among them whose frames are wanted.
    """

    send: tuple[int, ...]
    wanted: frozenset[int]


def presentation_order(table: Sequence[PacketFacts], *, reorder_depth: int) -> list[int]:
    """Packet numbers of the frames in the order in which they are shown; its length is their number.

    Args:
        table: all packets of the stream in decode order.
        reorder_depth: frames that the decoder holds back to bring them in order. A stream that needs more
            makes it drop or swap frames, which only decoding shows.

    Raises:
        Unplannable: times are missing or equal, or do not order the frames as a decoder would.
    """
    if not table:
        return []
    if not table[0].key:
        raise Unplannable("the stream does not begin with a key frame")
    times: dict[int, int] = {}
    seen: list[int] = []
    for number, packet in enumerate(table):
        if packet.corrupt:
            raise Unplannable(f"packet {number} is damaged")
        if not packet.shown:
            continue
        if packet.pts is None:
            raise Unplannable(f"packet {number} has no presentation time")
        if packet.is_frame and times.setdefault(packet.pts, number) != number:
            raise Unplannable(f"packets {times[packet.pts]} and {number} have the same presentation time")
        if len(seen) - bisect_right(seen, packet.pts) > reorder_depth:
            raise Unplannable(f"packet {number} comes later than the decoder's reordering can mend")
        insort(seen, packet.pts)
    return [times[pts] for pts in sorted(times)]


def plan_runs(table: Sequence[PacketFacts], wanted: Sequence[int]) -> list[Run]:
    """The fewest packets that give the wanted frames exactly.

    From the key packet at or before each wanted one (a leading picture of an open group needs the group
    before as well), all packets up to it but those that nothing refers to. Overlapping stretches are one.

    Args:
        table: all packets of the stream in decode order, as accepted by `presentation_order`.
        wanted: packet numbers whose frames are wanted, in any order, repeats allowed.

    Raises:
        Unplannable: a wanted frame has no key packet before it.
    """
    keys = [number for number, packet in enumerate(table) if packet.key]
    top_layer = max((packet.layer for packet in table), default=0)
    stretches = sorted((_start(table, keys, number), number) for number in set(wanted))
    merged: list[list[int]] = []
    for start, stop in stretches:
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(stop, merged[-1][1])
        else:
            merged.append([start, stop])
    chosen = set(wanted)
    runs = []
    for start, stop in merged:
        # A frame that its own layer does not refer to may still serve a higher layer; the top one has none.
        send = tuple(
            number
            for number in range(start, stop + 1)
            if number in chosen or not (table[number].unreferenced and table[number].layer == top_layer)
        )
        runs.append(Run(send, frozenset(chosen.intersection(send))))
    return runs


def delivered(table: Sequence[PacketFacts], run: Run) -> list[int]:
    """Packets of a run whose frames must come out of the decoder, in presentation order.

    Frames shown before the run's key frame are left out: a decoder may deliver, spoil or swallow them.
    """
    first = table[run.send[0]].pts
    frames = [(table[number].pts, number) for number in run.send if table[number].is_frame]
    return [number for pts, number in sorted(frames) if first is None or pts is None or pts >= first]


def _start(table: Sequence[PacketFacts], keys: Sequence[int], number: int) -> int:
    """The key packet from which a packet can be decoded exactly."""
    place = bisect_right(keys, number) - 1
    pts = table[number].pts
    while place >= 0:
        key_pts = table[keys[place]].pts
        if pts is None or key_pts is None or key_pts <= pts:
            return keys[place]
        place -= 1
    raise Unplannable(f"packet {number} is shown before any key frame that it could be decoded from")
