"""Who held which GPU when: jobs under test append a line as they take one and as they give it back."""

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Held(NamedTuple):
    """One time of one job on one device, on the machine's monotonic clock.

    Attributes:
        device: its UUID.
        begin, end: the job surely had it from the one to the other; `end` is that of the kill where it was killed.
        slots: jobs that may share the device, as this one sees it.
    """

    device: str
    begin: float
    end: float
    slots: int


def note(log: Path, event: str, holder: int, devices: Iterable[str] = (), slots: int = 1) -> None:
    """Append an event: `begin` right after a lease was given, `end` or `killed` right before it is given back."""
    line = f"{time.monotonic():.9f} {event} {holder} {slots} {','.join(devices)}\n"
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)  # whole lines, whoever else writes
    os.write(descriptor, line.encode())
    os.close(descriptor)


def read(log: Path) -> list[Held]:
    """The times on devices of a log; one without an end counts until its beginning: it may have been killed there."""
    begun: dict[int, tuple[float, int, list[str]]] = {}
    ended: dict[int, float] = {}
    for line in log.read_text().splitlines():
        at, event, holder, slots, devices = line.split(" ")
        if event == "begin":
            begun[int(holder)] = float(at), int(slots), devices.split(",")
        else:
            ended.setdefault(int(holder), float(at))
    return [
        Held(device, begin, max(begin, ended.get(holder, begin)), slots)
        for holder, (begin, slots, devices) in begun.items()
        for device in devices
    ]


def wrongly_shared(held: Iterable[Held]) -> int:
    """How many times on a device saw more jobs there than one of them allows."""
    times = list(held)
    wrong = 0
    for one in times:
        # The most that are there at once are there when one of them begins.
        beside = [two for two in times if two.device == one.device and two.begin <= one.end and one.begin <= two.end]
        moments = [two.begin for two in beside if one.begin <= two.begin <= one.end]
        wrong += any(sum(two.begin <= moment <= two.end for two in beside) > one.slots for moment in moments)
    return wrong
