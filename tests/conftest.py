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
    """Begin both halves of the list with what is long, and end them with the unit tests.

    Of two workers of pytest-xdist each has a half, in its order, and who comes to the end of it takes of the other's
    end: so both have short tests until the last second, and no module of long ones with a costly fixture is split.
    """
    first, short, long = [], [], []
    for item in items:
        if "test_every_snakemake_command_of_the_readme" in item.name:
            first.insert(0, item)
        elif item.get_closest_marker("slurm"):
            first.append(item)
        elif ROOT / "tests" / "unit" in item.path.parents:
            short.append(item)
        else:
            long.append(item)
    middle = max(0, len(items) // 2 - len(first))
    items[:] = [*first, *short[:middle], *long, *short[middle:]]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """What a test that was skipped told elsewhere still holds."""
    if report.failed or (report.when == "call" and report.passed):
        tally.tell_ran(report.nodeid)
