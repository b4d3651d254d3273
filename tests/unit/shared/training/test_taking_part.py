import logging

import pytest

from scripts.shared.training.processes import Processes
from scripts.shared.training.taking_part import Unreadable


def test_what_cannot_be_read_is_said_once_in_a_run(caplog: pytest.LogCaptureFixture) -> None:
    told = Unreadable("run", ["before"])
    with caplog.at_level(logging.WARNING):
        told.tell(["before", "b", "a"])
        told.tell(["a"])
    assert caplog.messages == ["[run] b", "[run] a"]
    assert told.anywhere(Processes.single()) == ("a", "b", "before")
