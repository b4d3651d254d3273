"""Settings of all tests."""

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
