from importlib.metadata import version

from scripts.shared.packages import installed_version, installed_versions


def test_a_package_that_is_not_installed_has_no_version() -> None:
    assert installed_version("numpy") == version("numpy")
    assert installed_version("no-such-package-at-all") == ""
    assert installed_versions(["no-such-package-at-all", "numpy"]) == {"numpy": version("numpy")}
