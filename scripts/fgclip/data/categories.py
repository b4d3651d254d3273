"""The classes of UCF-Crime, and the class of a video by its name."""

import re

NORMAL = "Normal"
CLASSES = (
    "Abuse",
    "Arrest",
    "Arson",
    "Assault",
    "Burglary",
    "Explosion",
    "Fighting",
    "RoadAccidents",
    "Robbery",
    "Shooting",
    "Shoplifting",
    "Stealing",
    "Vandalism",
)
_LETTERS = re.compile(r"[A-Za-z]+")
UNKNOWN = "Unknown"


def category_of(name: str) -> str:
    """The class that a video's name begins with.

    Args:
        name: its base name, such as `RoadAccidents001_x264` or `Normal_Videos_003_x264.mp4`. The folder says nothing:
            lists name files without one, and normal videos lie in three.

    Returns:
        The letters at the start, `Normal` for any name that begins so, `Unknown` where there are none.
    """
    letters = _LETTERS.match(name)
    if letters is None:
        return UNKNOWN
    return NORMAL if letters.group().lower().startswith(NORMAL.lower()) else letters.group()
