"""What a disk refuses, in words with the mend: the same of the planner, the jobs and upkeep."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.shared.errors import PolymillError

# What a user can mend; other errors of files are defects where nobody expects them.
MENDS = {
    errno.ENOSPC: "make room (`df` tells of bytes, `df -i` of files)",
    errno.EDQUOT: "make room below your quota",
    errno.EROFS: "have it mounted for writing",
    errno.EACCES: "give yourself the right to it",
    errno.EPERM: "give yourself the right to it",
    errno.EIO: "mend the disk",
    errno.ESTALE: "have it mounted anew",
    errno.ENOTCONN: "have it mounted anew",
    errno.EISDIR: "move that folder away",
    errno.ENOTDIR: "move the file away that is where a folder must be",
    errno.EEXIST: "move away what is in its place",
    errno.ELOOP: "remove the link that leads to itself",
}
# Of a source file these tell of the machine or the mount, never of the one sample that met them.
OF_THE_MACHINE = frozenset(
    {
        *(errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN),
        *(errno.ENETUNREACH, errno.EREMOTEIO, errno.EMFILE, errno.ENFILE),
    }
)


def disk_words(error: OSError, place: Path, *, kept: str = "what is finished is kept") -> str:
    """What was refused, where, and what to do.

    Args:
        error: its file is named, where it knows one.
        place: what to name where it does not.
        kept: what the user need not fear for.
    """
    mend = MENDS.get(error.errno or 0, "see whether somebody removes or unmounts it, mend that")
    return f"{error.filename2 or error.filename or place}: {error.strerror or error}; {mend} and run again: {kept}"


@contextmanager
def disk_errors(place: Path, into: type[PolymillError], *, label: str = "") -> Iterator[None]:
    """Turn what a disk refuses into an error that a user can mend.

    Args:
        place: the folder that is worked on.
        into: the class to raise.
        label: whose work it is; stands before the words.
    """
    try:
        yield
    except OSError as error:
        raise into(f"{label}{disk_words(error, place)}") from error
