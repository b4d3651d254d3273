"""What the user's process asks, says and refuses before a job of upkeep starts."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scripts.shared.config import load_config
from scripts.shared.errors import ConfigError, JobError, PlanningError
from scripts.shared.ledger import LedgerWriter
from scripts.shared.planning.plans import PlanMode
from scripts.upkeep import asking
from scripts.upkeep.asking import Upkeep
from scripts.upkeep.prune_plan import PrunePlan
from scripts.upkeep.request_file import read_request, settle_request
from scripts.upkeep.verify import DatasetToVerify
from tests.snakemake_run import everything
from tests.unit.shared.conftest import release

PAIR = {"vid": "v", "transcript": "a tree", "clip_path": "v.mp4"}


class Place:
    """A folder with a configuration of clip4mc, and what one process asks in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.datasets: dict[str, Any] = {"train": {"pairs": str(folder / "pairs.json"), "clips_dir": str(folder)}}
        self.options: dict[str, Any] = {}
        self.dataset_dir = folder / "results" / "clip4mc" / "train"
        self.list_pairs(2)

    def list_pairs(self, n_pairs: int) -> None:
        (self.folder / "pairs.json").write_text(json.dumps([PAIR] * n_pairs))

    def on_record(self, n_samples: int) -> None:
        writer = LedgerWriter(self.dataset_dir / ".state" / "frames" / "ledger", "00000", {})
        for number in range(n_samples):
            writer.append({"key": f"sample_{number:06d}_v", "status": "ok", "files": {"size.json": [5, "0"]}})
        writer.close()

    def upkeep(self, scratch: Path | None = None, *, plans: bool = True) -> Upkeep:
        places = {"results_dir": str(self.folder / "results"), "work_dir": str(self.folder / "work")}
        raw = {**places, **self.options, "clip4mc": {"datasets": self.datasets}}
        return Upkeep(load_config(raw, lambda _: "my.yaml"), lambda: PlanMode(plans=plans, scratch=scratch, cores=1))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    yield Place(tmp_path)
    release()


def test_each_process_asks_anew_and_once(place: Place) -> None:
    place.on_record(1)
    first, second = place.upkeep(), place.upkeep()
    path = first.verify_request("clip4mc", "train")
    text = path.read_text()
    assert first.verify_request("clip4mc", "train").read_text() == text
    assert second.verify_request("clip4mc", "train").read_text() != text
    assert json.loads(path.read_text())["asked"] == json.loads(text)["asked"]


def test_a_job_of_the_run_takes_the_request_that_is_there(place: Place) -> None:
    place.on_record(1)
    path = place.upkeep().verify_request("clip4mc", "train")
    text = path.read_text()
    assert place.upkeep(plans=False).verify_request("clip4mc", "train") == path
    assert path.read_text() == text


def test_a_dry_run_asks_with_empty_files_and_writes_nothing(place: Place, tmp_path: Path) -> None:
    place.on_record(3)
    place.options["backup_dir"] = str(tmp_path / "backup")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    before = everything(tmp_path / "results")
    upkeep = place.upkeep(scratch)
    asked = [ask("clip4mc", "train") for ask in (upkeep.verify_request, upkeep.backup_request, upkeep.prune_request)]
    assert [path.read_bytes() for path in asked] == [b""] * 3
    assert {path.parent for path in asked} == {scratch}
    assert len(set(asked)) == 3
    assert everything(tmp_path / "results") == before
    assert not (tmp_path / "work").exists()
    assert not (tmp_path / "backup").exists()


def test_a_verification_is_asked_with_all_that_it_needs(place: Place) -> None:
    place.on_record(1)
    place.options["verify"] = "digest"
    task = DatasetToVerify.from_request(read_request(place.upkeep().verify_request("clip4mc", "train")))
    assert task.read_all
    assert task.dataset_dir == str(place.dataset_dir)
    assert task.stages[0].settings["num_frames"] == 16
    assert task.seed == 42
    place.options["verify"] = "full"
    assert not read_request(place.upkeep().verify_request("clip4mc", "train"))["read_all"]


def test_what_prune_would_remove_is_said_and_asked(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.on_record(3)
    plan = PrunePlan(**read_request(place.upkeep().prune_request("clip4mc", "train")))
    assert plan.keys == ["sample_000002_v"]
    assert "1 of 3 samples on record are no longer wanted; clip4mc_prune removes" in capsys.readouterr().err


@pytest.mark.parametrize("prune_most", ["stop", "ok"])
def test_to_remove_most_needs_a_word(place: Place, prune_most: str) -> None:
    place.on_record(3)
    place.list_pairs(0)
    place.options["prune_most"] = prune_most
    if prune_most == "ok":
        assert len(read_request(place.upkeep().prune_request("clip4mc", "train"))["keys"]) == 3
    else:
        with pytest.raises(PlanningError, match="3 of 3 samples on record would be removed: the list is empty"):
            place.upkeep().prune_request("clip4mc", "train")


def test_a_list_that_cannot_be_read_removes_nothing(place: Place) -> None:
    place.on_record(3)
    (place.folder / "pairs.json").unlink()
    place.options["prune_most"] = "ok"
    with pytest.raises(PlanningError, match=r"pairs.json"):
        place.upkeep().prune_request("clip4mc", "train")


def test_a_dataset_without_samples_of_its_own_is_said_and_passed_over(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place.on_record(1)
    whole = asking.SYSTEMS["clip4mc"]
    place.datasets["other"] = place.datasets["train"]
    system = replace(whole, stages=lambda config, name: whole.stages(config, name) if name == "train" else ())
    monkeypatch.setitem(asking.SYSTEMS, "clip4mc", system)
    assert place.upkeep().to_verify("clip4mc") == ["train"]
    assert "clip4mc other: has no samples of its own: nothing to verify" in capsys.readouterr().err


def test_files_that_a_system_keeps_are_asked_for(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.on_record(1)
    place.options["backup_dir"] = str(place.folder / "backup")
    monkeypatch.setitem(
        asking.SYSTEMS, "clip4mc", replace(asking.SYSTEMS["clip4mc"], kept_files=("boundaries/*.json",))
    )
    upkeep = place.upkeep()
    for ask in (upkeep.verify_request, upkeep.backup_request):
        assert read_request(ask("clip4mc", "train"))["kept_files"] == ["boundaries/*.json"]


def test_a_folder_that_is_absent_or_foreign_is_said_and_left_alone(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.datasets["other"] = place.datasets["train"]
    place.on_record(1)
    other = place.folder / "results" / "clip4mc" / "other"
    for says in (f"no {other}: nothing to verify; all_clip4mc makes it", f"{other} holds nothing that Polymill knows"):
        assert place.upkeep().to_verify("clip4mc") == ["train"]
        assert says in capsys.readouterr().err
        (other / "holidays").mkdir(parents=True, exist_ok=True)
    assert [path.name for path in other.rglob("*")] == ["holidays"]


def test_nothing_on_record_at_all_is_an_error(place: Place) -> None:
    for ask, purpose in (("to_verify", "verify"), ("to_prune", "prune"), ("to_back_up", "back up")):
        with pytest.raises(PlanningError, match=f"clip4mc: no dataset has anything to {purpose}"):
            getattr(place.upkeep(), ask)("clip4mc")


def test_no_dataset_is_said_and_no_error(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.datasets = {}
    for ask in ("to_verify", "to_prune", "to_back_up"):
        assert getattr(place.upkeep(), ask)("clip4mc") == []
    assert capsys.readouterr().err.count("the configuration names no dataset") == 3


def test_without_a_backup_folder_no_copy_is_promised(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.on_record(1)
    with pytest.raises(ConfigError, match="no backup_dir is configured, so there is no copy of anything"):
        place.upkeep().to_back_up("clip4mc")
    place.datasets["train"]["backup_dir"] = str(place.folder / "backup")
    assert place.upkeep().to_back_up("clip4mc") == ["train"]
    place.datasets["other"] = {**place.datasets["train"], "backup_dir": str(place.folder / "elsewhere")}
    assert place.upkeep().to_back_up("clip4mc") == ["train"]


def test_a_backup_folder_inside_the_results_is_refused_before_any_job(place: Place) -> None:
    place.on_record(1)
    place.options["backup_dir"] = str(place.folder / "results" / "backup")
    with pytest.raises(ConfigError, match="results lies in it or around it"):
        place.upkeep().backup_request("clip4mc", "train")


def test_a_dataset_elsewhere_gets_its_link_before_anything_is_written(place: Place) -> None:
    elsewhere = place.folder / "ssd"
    place.datasets["train"]["output_dir"] = str(elsewhere)
    (elsewhere / ".state").mkdir(parents=True)
    place.upkeep().verify_request("clip4mc", "train")
    assert place.dataset_dir.is_symlink()
    assert place.dataset_dir.resolve() == elsewhere.resolve()


def test_a_damaged_request_is_named(tmp_path: Path) -> None:
    path = settle_request(tmp_path / "request.json", {"a": 1}, scratch=None)
    assert read_request(path) == {"a": 1}
    path.write_text("torn")
    with pytest.raises(JobError, match="not a request that can be used"):
        read_request(path)
