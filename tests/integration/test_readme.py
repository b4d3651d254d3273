"""What the README says: its commands run, its options exist, its links lead somewhere."""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from scripts.cnclip.data.demo import make_demo
from scripts.fgclip.proof.dataset import make_dataset
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
    recordings = {"input_dir": "tests/data/demo/speaker/audio/carlo_it", "runtime": "dvector", "workers": 1}
    (folder / "speaker.yaml").write_text(json.dumps({"speaker": {"datasets": {"studio": recordings}}}))
    poses = {"captions": "tests/data/demo/pose/captions.txt", "select": "first:3", "workers": 1}
    toy = {"checkpoints": "tiny", "motions": "tests/data/demo/pose"}
    (folder / "pose.yaml").write_text(json.dumps({"pose": {**toy, "datasets": {"tenk": poses}}}))
    make_demo(folder / "mine", n=40)
    for file in ("test_imgs.tsv", "test_texts.jsonl"):  # who has no such split has none
        (folder / "mine" / file).unlink()
    tuned = {"preset": "tiny", "dataset": "mine", "batch_size": 8, "max_steps": 4}
    one_block = {"datasets": {"mine": {"root": "mine"}}, "runs": {"tuned": tuned}}
    (folder / "cnclip.yaml").write_text(json.dumps({"cnclip": one_block}))
    make_dataset(folder / "clips", n_train=8, n_test=4)
    made: dict[str, Any] = yaml.safe_load((folder / "clips" / "config.yaml").read_text(encoding="utf-8"))["fgclip"]
    few = {"figures": False, "overlays": False, "shown_most": 1, "calibration_videos": 2, "workers": 1}
    full = {"preset": "tiny", "dataset": "ucf", "batch_size": 4, "max_steps": 2}
    videos = {"datasets": {"ucf": made["datasets"]["proof"] | few}, "runs": {"full": full}, "clip": "tiny"}
    (folder / "fgclip.yaml").write_text(json.dumps({"fgclip": videos}))
    for name in ("local_cpu", "local_gpu", "slurm"):
        (folder / name).symlink_to(os.readlink(ROOT / name))
    return folder


def test_the_readme_names_commands_to_run() -> None:
    assert len(COMMANDS) >= 6


@pytest.mark.timeout(1800)
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
            timeout=900,  # the demo of Chinese CLIP trains five models
            check=False,
        )
        assert ran.returncode == 0, f"{command}\n{ran.stdout}"
    assert (clone / "results" / "clip4mc" / "demo_train" / "dataset_info.json").exists()
    # The toy of the pose demo understands captions that it never saw; by chance it would be one of the fifteen.
    control = json.loads((clone / "results" / "pose_tiny" / "control.json").read_text(encoding="utf-8"))
    assert (control["captions"], control["nearest_to_their_own_motion"] >= 12) == (15, True)
    check_trainings(clone / "results" / "cnclip")
    check_detector(clone / "results" / "fgclip" / "demo_street")


def check_trainings(cnclip: Path) -> None:
    """Hold the demo's trainings to what they must reach, and their controls to what they must not.

    On 188 pictures, of which two are right for each text, chance finds one in 94 at the first place.
    """
    assert recall(cnclip, "plain.init")["r1"] <= 4
    assert recall(cnclip, "shuffled")["r1"] <= 4
    assert recall(cnclip, "teacher")["r1"] >= 30
    assert recall(cnclip, "teacher")["r10"] >= 80
    for run in ("teacher", "plain", "distilled"):
        losses = [row["contrastive_loss"] for row in logged(cnclip, run) if "contrastive_loss" in row]
        assert losses[0] >= 2 * losses[-1], run
    assert divergence(cnclip, "distilled") < 0.7 * divergence(cnclip, "plain")
    assert abs(recall(cnclip, "distilled.onnx_int8")["r1"] - recall(cnclip, "distilled")["r1"]) <= 5
    for kind in ("image", "text"):
        ours, theirs = (features(cnclip, form, kind) for form in ("distilled", "distilled.onnx_int8"))
        assert np.mean(np.sum(ours * theirs, axis=1)) >= 0.99, kind
    verified = read(cnclip / "packages" / "distilled.verified.json")["evaluated_again"]
    forms = {"torch": "distilled"} | {f"onnx_{how}": f"distilled.onnx_{how}" for how in ("fp32", "fp16", "int8")}
    assert {each["form"]: each["recall"]["t2i"]["r1"] for each in verified} == {
        form: recall(cnclip, name)["r1"] for form, name in forms.items()
    }


def check_detector(street: Path) -> None:
    """Real footage went through every step, and something was learnt of it: the events of one place, no more."""
    before, after = (read(street / "eval" / form / "metrics.json") for form in ("street.init", "street"))
    assert after["scores"]["global"]["auc"] >= max(0.6, before["scores"]["global"]["auc"] + 0.1)
    assert after["pointing"]["accuracy"] > after["pointing"]["chance"]
    assert (after["videos"]["n"], after["missing"]) == (10, [])
    assert read(street / "translation_report.json")["missing"] == []
    shown = list((street / "heatmaps" / "street").glob("*.png"))
    assert len(shown) == 4
    assert all(path.with_suffix(".mp4").is_file() for path in shown)


def recall(cnclip: Path, form: str) -> dict[str, float]:
    """Recall of pictures for texts, in percent; nothing was found where a score was refused."""
    metrics = read(cnclip / "eval" / form / "demo_products" / "metrics.json")
    if metrics["refused"]:
        return {"r1": 0.0, "r5": 0.0, "r10": 0.0}
    found: dict[str, float] = metrics["directions"]["t2i"]["recall"]
    return found


def logged(cnclip: Path, run: str) -> list[dict[str, Any]]:
    """What a training told on its way."""
    lines = (cnclip / "runs" / run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def divergence(cnclip: Path, student: str) -> float:
    """KL from the teacher's distribution over the pictures, given a text, to a student's; mean over the texts.

    Both of their own cosines and temperature, softened by 4 and scaled by 4 squared (Hinton et al. 2015,
    arXiv:1503.02531).
    """
    told, asked = (log_probabilities(cnclip, form) for form in ("teacher", student))
    return float(16 * np.mean(np.sum(np.exp(told) * (told - asked), axis=1)))


def log_probabilities(cnclip: Path, form: str) -> NDArray[np.float64]:
    """(texts, pictures), of a model's answers at temperature 4."""
    folder = cnclip / "eval" / form / "demo_products" / "features" / "valid"
    cosines = features(cnclip, form, "text") @ features(cnclip, form, "image").T
    logits = read(folder / "facts.json")["logit_scale"] * cosines / 4
    logits -= logits.max(axis=1, keepdims=True)
    whole: NDArray[np.float64] = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return whole


def features(cnclip: Path, form: str, kind: str) -> NDArray[np.float64]:
    """(n, D) unit rows of the pictures or texts that models are measured on."""
    folder = cnclip / "eval" / form / "demo_products" / "features" / "valid"
    return np.load(folder / f"{kind}_features.npy").astype(np.float64)  # type: ignore[no-any-return]


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_every_option_that_the_readme_names_exists() -> None:
    properties = read_schema()["properties"]
    known = set(properties)
    for system in ("clip4mc", "speaker", "pose", "cnclip", "fgclip", "search"):
        known |= set(properties[system]["properties"])
        known |= set(properties[system]["properties"]["datasets"]["additionalProperties"]["properties"])
    for system in ("cnclip", "fgclip"):
        known |= set(properties[system]["properties"]["runs"]["additionalProperties"]["properties"])
    named = set(re.findall(r"--config (\w+)=", README)) | set(re.findall(r"`(\w+): \S+?`", README))
    assert named
    assert named <= known


def test_every_link_of_the_documents_leads_to_a_file() -> None:
    for document in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name}: {target}"
