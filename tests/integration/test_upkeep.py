"""Verify, prune and back up through the `snakemake` command."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.snakemake_run import Workplace, contents, everything, marks, remade


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A finished tree of four samples."""
    here = Workplace.create(tmp_path_factory.mktemp("finished") / "place", 4, figures=False)
    here.make()
    return here


@pytest.fixture
def place(finished: Workplace, tmp_path: Path) -> Workplace:
    return finished.copy(tmp_path / "place")


def test_verify_names_what_is_damaged_and_the_mend_it_names_mends_it(place: Workplace) -> None:
    video = place.sample(1) / "video_input.pkl"
    video.write_bytes(video.read_bytes()[:-9] + b"\0" * 9)
    before = contents(place.dataset)
    ran = place.run("clip4mc_verify")
    assert ran.code == 1
    mend = "mend: snakemake all_clip4mc --config verify=digest"
    says = "1 problems: 1 file_damaged, such as sample_000001_v1: video_input.pkl does not hold what was written"
    assert f"clip4mc train: {says} ({mend})" in ran.text
    report = json.loads((place.dataset / "verification.json").read_text())
    assert report["stages"]["frames"]["ok"] == 4
    assert report["drawn"] == sorted(report["drawn"], key=report["drawn"].index)
    assert "sample_000001_v1" not in report["drawn"]
    assert (place.dataset / "figures" / "verification.png").read_bytes().startswith(b"\x89PNG")
    after = contents(place.dataset)
    assert {name for name in after if after[name] != before.get(name)} == {
        "verification.json",
        "figures/verification.png",
    }
    marked = marks(place.dataset)
    place.make("--config", "verify=digest")
    assert remade(marked, marks(place.dataset)) == {1}


def test_a_sound_tree_passes_and_its_restored_snapshot_plans_to_nothing(finished: Workplace) -> None:
    backup = finished.folder.parent / "backup"
    before = contents(finished.dataset)
    finished.make("clip4mc_verify", "clip4mc_backup", "--config", f"backup_dir={backup}")
    (snapshot,) = backup.glob("clip4mc/train/2*")
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=snapshot, check=True)
    shutil.rmtree(finished.dataset)
    subprocess.run(["cp", "-a", str(snapshot), str(finished.dataset)], check=True)
    assert finished.run().nothing_to_do
    restored = contents(finished.dataset)
    assert {name: restored[name] for name in before} == before


def test_prune_says_first_and_removes_only_what_the_list_no_longer_wants(place: Workplace) -> None:
    place.pairs = place.pairs[:3]
    place.save()
    before = everything(place.dataset)
    says = "1 of 4 samples on record are no longer wanted; clip4mc_prune {} their files, 0.0 MB, and their rows:"
    dry = place.make("clip4mc_prune", "-n")
    assert says.format("would remove") + "\n  sample_000003_v3\n" in dry.text
    assert everything(place.dataset) == before
    ran = place.make("clip4mc_prune")
    assert says.format("removes") in ran.text
    log = (place.folder / "logs" / "clip4mc_pruning" / "train.log").read_text()
    assert "removes sample_000003_v3" in log
    kept = everything(place.dataset)
    assert {name for name in before if name not in kept and not name.startswith(".state")} == {
        "sample_000003_v3",
        *(f"sample_000003_v3/{name}" for name in ("video_input.pkl", "text_input.pkl", "size.json")),
    }
