"""Settings of all tests."""

import pytest
from hypothesis import HealthCheck, settings

# The same examples on every machine and every day: a failure in one run fails in all.
settings.register_profile(
    "polymill",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("polymill")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the one test that lasts for minutes: at the end, all workers but one would wait for it."""
    items.sort(key=lambda item: "test_every_snakemake_command_of_the_readme" not in item.name)
