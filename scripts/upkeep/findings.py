"""What `make doctor` found, a line each, fit to be shown to strangers."""

import getpass
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Level = Literal["ok", "WARNING", "WRONG"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        level: `ok`; `WARNING` where a run may be slower or less than hoped for; `WRONG` where one would fail.
        what: what was found.
        mend: what to do about it; empty where it is well.
    """

    level: Level
    what: str
    mend: str = ""

    def line(self, conceal: Callable[[str], str]) -> str:
        """The finding as a line of the report."""
        text = f"{self.what}: {self.mend}" if self.mend else self.what
        return f"{self.level:<8} {conceal(' '.join(text.split()))}"


def concealer() -> Callable[[str], str]:
    """A function that takes out of a text what names its user or machine: home folder, user and host."""
    home = str(Path.home())
    names = {"user": _user(), "host": socket.gethostname(), "host ": socket.gethostname().split(".")[0]}

    def conceal(text: str) -> str:
        # A home that is the root folder would take every slash.
        if len(home) > 1:
            text = re.sub(rf"{re.escape(home)}(?![\w.-])", "~", text)
        for what, name in names.items():
            if name:
                text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", f"<{what.strip()}>", text)
        return text

    return conceal


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return ""
