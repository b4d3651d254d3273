"""Settings of all tests."""

import pytest
from hypothesis import HealthCheck, settings

from tests.faults import tally
from tests.snakemake_run import ROOT

# The same examples on every machine and every day: a failure in one run fails in all.
settings.register_profile(
    "polymill",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("polymill")


@pytest.hookimpl(trylast=True)  # when the tests that are not wanted are gone
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin each third of the list with what is long, and end it with unit tests.

    Each worker of pytest-xdist has a part of the list, in its order; who comes to the end of its own takes of the ends
    of others. So on two cores, with three workers, none has a long test left when the others are done, and no module of
    long ones with a costly fixture is split.
    """
    readme, waiting, integration, short = [], [], [], []
    for item in items:
        if "test_every_snakemake_command_of_the_readme" in item.name:
            readme.append(item)
        elif ROOT / "tests" / "unit" in item.path.parents:
            short.append(item)
        elif ROOT / "tests" / "integration" in item.path.parents:
            integration.append(item)
        else:
            waiting.append(item)
    third = len(items) // 3
    items[:] = []
    for long in (readme, waiting, integration):
        rest = max(0, third - len(long))
        items += [*long, *short[:rest]]
        del short[:rest]
    items += short


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """What a test that was skipped told elsewhere still holds."""
    if report.failed or (report.when == "call" and report.passed):
        tally.tell_ran(report.nodeid)
