"""Names of poses: what a caption's files are called. Light: the planner reads it."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import count

MOST = 200  # characters, and bytes of UTF-8; file systems take 255 bytes, and the endings of a pose's files need some
# By one file system or another; and braces, in which Snakemake has its wildcards: a path with them cannot be asked for.
_REFUSED = frozenset('<>:"/\\|?*{}')
# Controls, invisible marks such as right-to-left, halves of a UTF-16 pair, line and paragraph separators.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_SPACE = "Zs"
_LEAD = "A_person_"
_HASH_DIGITS = 8
# Other poses' files end so: <name>-r2.npy is the second pose of a caption, <name>_features.npy belongs to its motion.
_ENDING = re.compile(r"(-r[0-9]+|_features)$", re.IGNORECASE)


def name_of(caption: str) -> str:
    """The name of a caption whose name no other one has.

    Characters that a path cannot have and those that nobody sees are deleted, spaces become `_`, a leading
    `A_person_` goes. What is then empty, starts with a dot, is longer than 200 characters or bytes, or ends as files of
    another pose may, gets `-` and 8 hexadecimal digits of the caption's SHA-256, shortened to have room for them.

    Args:
        caption: any text.

    Returns:
        One component of a path, Unicode's composed form (NFC), without spaces: 1 to 200 characters and bytes.
    """
    return next(_candidates(caption))


def allocate(captions: Iterable[str]) -> list[str]:
    """Name captions so that none has another one's name, also where a file system tells no case or Unicode form.

    Of captions that would share a name the first keeps it and the others get their hash: captions that are appended to
    a list rename none before them.

    Args:
        captions: in list order. One that stands there again has the name that it has already.

    Returns:
        Their names, in the same order.
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    listed = list(captions)
    for caption in listed:
        if caption not in names:
            name = next(name for name in _candidates(caption) if _folded(name) not in taken)
            taken.add(_folded(name))
            names[caption] = name
    return [names[caption] for caption in listed]


def pose_names(name: str, repeats: int) -> list[str]:
    """What the poses of a caption are called, which itself is called `name`."""
    return [name, *(f"{name}-r{repeat}" for repeat in range(2, repeats + 1))]


def _folded(name: str) -> str:
    # macOS and Windows shares take names for one that differ in case or in how an accent is stored.
    return unicodedata.normalize("NFC", name.casefold())


def _candidates(caption: str) -> Iterator[str]:
    """Yield names for a caption, the best first, without end."""
    plain = _plain(caption)
    if plain and not plain.startswith(".") and _cut(plain, MOST) == plain and not _ENDING.search(plain):
        yield plain
    for number in count():
        # Another caption may spell this one's name with its hash: then the hash of caption and number.
        hashed = caption if number == 0 else f"{caption}\0{number}"
        digits = hashlib.sha256(hashed.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_DIGITS]
        yield f"{_cut(plain, MOST - 1 - _HASH_DIGITS)}-{digits}"


def _plain(caption: str) -> str:
    kept = "".join(map(_kept, caption))
    return unicodedata.normalize("NFC", kept).removeprefix(_LEAD)


@cache  # a list has as many letters as it has bytes, and few different ones
def _kept(mark: str) -> str:
    kind = unicodedata.category(mark)
    if kind == _SPACE:
        return "_"
    return "" if mark in _REFUSED or kind in _UNSEEN else mark


def _cut(name: str, most: int) -> str:
    """The longest beginning of at most so many characters and bytes of UTF-8."""
    return name[:most].encode()[:most].decode(errors="ignore")
