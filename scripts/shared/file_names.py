"""Names of files that users gave, and which of them cannot name a sample. Light: planners read it."""

import re
from collections.abc import Set

MAX_NAME_BYTES = 255  # of a file, on the file systems in use
NO_NAME = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")  # surrogates stand for bytes that are not UTF-8
BAD_NAME = ("bad_name", "its name holds control characters or is not UTF-8; rename it")


def shown_name(name: str) -> str:
    """A name that may be printed: a question mark for what may not."""
    return NO_NAME.sub("?", name)


def free_key(place: int, name: str, taken: Set[str]) -> str:
    """A key for a sample that cannot be, from its place in a list and its name; none of those taken."""
    key = f"{shown_name(name)} (place {place})"
    while key in taken:
        key += "'"
    return key
