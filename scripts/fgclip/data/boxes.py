"""The box of a region at a frame."""

from itertools import pairwise

from scripts.fgclip.data.records import Key, Region

Box = tuple[float, float, float, float]


def box_at(region: Region, frame: int, *, bin_frames: tuple[int, int] | None) -> Box | None:
    """The box of a region at a frame, or None where it is out of sight.

    Between two keyframes the box moves linearly where the first one is enabled; where it is not, the region is out of
    sight until the next. The last keyframe holds at its own frame. A region of one keyframe holds from its first to
    its last frame where the list gives them.

    Args:
        region: its keyframes ascend, no two at one frame.
        frame: number of the frame.
        bin_frames: frames [start, end) that this one stands for; there a region of one keyframe and without first and
            last frame is seen, so that sampling does not lose it.

    Returns:
        x1, y1, x2, y2 as fractions of width and height.

    Source: Label Studio's boxes of videos, where `enabled` begins or ends a visible stretch. There a keyframe that is
    not enabled still shows its own frame, and the last one that is holds to the end of the video; here neither does.
    """
    keys = region.keys
    if len(keys) == 1:
        return _box(keys[0]) if keys[0].enabled and _holds(region, frame, bin_frames) else None
    for key, following in pairwise(keys):
        if key.frame <= frame < following.frame:
            return _between(key, following, frame) if key.enabled else None
    if keys and keys[-1].frame == frame and keys[-1].enabled:
        return _box(keys[-1])
    return None


def _holds(region: Region, frame: int, bin_frames: tuple[int, int] | None) -> bool:
    """Whether the only keyframe of a region speaks for a frame."""
    if region.start is not None and region.end is not None:
        return region.start <= frame <= region.end
    start, end = bin_frames or (frame, frame + 1)
    return start <= region.keys[0].frame < end


def _between(key: Key, following: Key, frame: int) -> Box:
    share = (frame - key.frame) / (following.frame - key.frame)
    x1, y1, x2, y2 = (a + share * (b - a) for a, b in zip(_box(key), _box(following), strict=True))
    return x1, y1, x2, y2


def _box(key: Key) -> Box:
    return key.x1, key.y1, key.x2, key.y2
