"""What a disk refuses, in words."""

import errno
import os
from pathlib import Path

import pytest

from scripts.shared.disk_errors import disk_errors, disk_words
from scripts.shared.errors import JobError, PlanningError

PLACE = Path("results/toy")


@pytest.mark.parametrize(
    ("number", "mend"),
    [
        (errno.ENOSPC, "No space left on device; make room (`df` tells of bytes, `df -i` of files) and run again"),
        (errno.EDQUOT, "Disk quota exceeded; make room below your quota and run again"),
        (errno.EROFS, "Read-only file system; have it mounted for writing and run again"),
        (errno.EISDIR, "Is a directory; move that folder away and run again"),
        (
            errno.ENOENT,
            "No such file or directory; see whether somebody removes or unmounts it, mend that and run again",
        ),
    ],
)
def test_the_words_name_the_file_what_was_refused_and_the_mend(number: int, mend: str) -> None:
    refused = OSError(number, os.strerror(number), "a/b.json")
    assert disk_words(refused, PLACE) == f"a/b.json: {mend}: what is finished is kept"
    assert disk_words(OSError(number, os.strerror(number)), PLACE, kept="it goes on") == f"{PLACE}: {mend}: it goes on"


def test_of_a_rename_the_target_is_named() -> None:
    assert disk_words(OSError(errno.ENOSPC, "full", "made", None, "target"), PLACE).startswith("target: full; ")


def test_other_errors_pass() -> None:
    with (
        pytest.raises(PlanningError, match=r"^toy: results/toy: quota; "),
        disk_errors(PLACE, PlanningError, label="toy: "),
    ):
        raise OSError(errno.EDQUOT, "quota")
    with pytest.raises(ZeroDivisionError), disk_errors(PLACE, JobError):
        _ = 1 / 0
