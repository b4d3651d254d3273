"""What the README says: its commands run, its options exist, its links lead somewhere."""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from scripts.shared.config import read_schema
from tests.snakemake_run import BIN, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = list(dict.fromkeys(re.findall(r"snakemake --profile local_[^\n`#]+", README)))


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what a clone has at its top, so that results lie beside and not in the checkout."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("Snakefile", "rules", "scripts", "config", "profiles", "envs", "tests", "docs"):
        (folder / name).symlink_to(ROOT / name)
    recordings = {"input_dir": "tests/data/demo/speaker/audio/carlo_it", "runtime": "dvector"}
    (folder / "speaker.yaml").write_text(json.dumps({"speaker": {"datasets": {"studio": recordings}}}))
    poses = {"captions": "tests/data/demo/pose/captions.txt", "select": "first:3"}
    toy = {"checkpoints": "tiny", "motions": "tests/data/demo/pose"}
    (folder / "pose.yaml").write_text(json.dumps({"pose": {**toy, "datasets": {"tenk": poses}}}))
    for name in ("local_cpu", "local_gpu", "slurm"):
        (folder / name).symlink_to(os.readlink(ROOT / name))
    return folder


def test_the_readme_names_commands_to_run() -> None:
    assert len(COMMANDS) >= 6


def test_every_snakemake_command_of_the_readme_runs_on_the_demo_in_the_order_given(clone: Path) -> None:
    for command in COMMANDS:
        arguments = shlex.split(command.strip())
        ran = subprocess.run(
            arguments,
            cwd=clone,
            env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=240,
            check=False,
        )
        assert ran.returncode == 0, f"{command}\n{ran.stdout}"
    assert (clone / "results" / "clip4mc" / "demo_train" / "dataset_info.json").exists()
    # The toy of the pose demo understands captions that it never saw; by chance it would be one of the fifteen.
    control = json.loads((clone / "results" / "pose_tiny" / "control.json").read_text(encoding="utf-8"))
    assert (control["captions"], control["nearest_to_their_own_motion"] >= 12) == (15, True)


def test_every_option_that_the_readme_names_exists() -> None:
    properties = read_schema()["properties"]
    known = set(properties)
    for system in ("clip4mc", "speaker", "pose"):
        known |= set(properties[system]["properties"])
        known |= set(properties[system]["properties"]["datasets"]["additionalProperties"]["properties"])
    named = set(re.findall(r"--config (\w+)=", README)) | set(re.findall(r"`(\w+): \S+?`", README))
    assert named
    assert named <= known


def test_every_link_of_the_documents_leads_to_a_file() -> None:
    for document in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name}: {target}"
