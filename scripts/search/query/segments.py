"""The stretches of a video that match: what stands for a hit instead of single frames."""

from typing import NamedTuple

import numpy as np

from scripts.search.query.catalogue import Floats

MAX_GAP = 1  # frames below the threshold that do not end a segment
_ROUNDING = np.float32(1e-6)


class Segment(NamedTuple):
    """A stretch of a video.

    Attributes:
        start, end: seconds.
        time: of its best frame, seconds.
        score: the cosine of that frame.
    """

    start: float
    end: float
    time: float
    score: float


def segments(times: Floats, scores: Floats, *, threshold: float, interval: float, duration: float) -> list[Segment]:
    """Join frames at or above a threshold to stretches, over single frames below it.

    Args:
        times: (n,) seconds of the indexed frames, ascending.
        scores: (n,) their cosines.
        threshold: least cosine of a frame that counts.
        interval: seconds from one indexed frame to the next; a segment reaches half of that beyond its outer frames.
        duration: seconds of the video, where segments end at the latest; NaN where not known.

    Returns:
        Segments in the order of time; none overlaps another.
    """
    good = np.flatnonzero(scores >= np.float32(threshold) - _ROUNDING)
    if not len(good):
        return []
    breaks = np.flatnonzero(np.diff(good) > MAX_GAP + 1) + 1
    latest = np.inf if np.isnan(duration) else float(duration)
    found: list[Segment] = []
    for run in np.split(good, breaks):
        best = run[int(np.argmax(scores[run]))]
        start = max(float(times[run[0]]) - interval / 2, found[-1].end if found else 0.0)
        # A duration may be told too short by a container: the frame was there.
        end = max(min(float(times[run[-1]]) + interval / 2, latest), float(times[run[-1]]))
        found.append(Segment(round(start, 3), round(end, 3), round(float(times[best]), 3), score_of(scores[best])))
    return found


def score_of(cosine: np.float32) -> float:
    """A cosine as it is ordered and shown: to six places, since the last of a float32 depend on its neighbours."""
    return round(float(cosine), 6)
