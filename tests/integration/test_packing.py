"""Tars kept current and packed once through the `snakemake` command, and loose files got back out of them."""

import json
import re
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.shared.fingerprints import digest_file
from tests.snakemake_run import ROOT, Workplace, contents, leftovers, make_clip, marks, remade
from tests.speaker_place import SpeakerPlace
from tests.unit.upkeep.packing.toy_packing import read

PAGE = (ROOT / "docs" / "packing.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The code of that language in docs/packing.md."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """Four samples in two shards, one a tar."""
    here = Workplace.create(tmp_path_factory.mktemp("packed") / "place", 4, pack=True, pack_samples=1)
    here.make()
    return here


@pytest.fixture
def place(finished: Workplace, tmp_path: Path) -> Workplace:
    return finished.copy(tmp_path / "place")


def tars(here: Workplace) -> dict[str, tuple[int, str]]:
    return {path.name: (path.stat().st_ino, digest_file(path)) for path in (here.dataset / "packed").glob("*.tar")}


def made_again(here: Workplace, before: dict[str, tuple[int, str]]) -> set[str]:
    """Run, and say which tars are no longer the files they were; index and samples must agree with them."""
    here.make()
    after = tars(here)
    index = json.loads((here.dataset / "packed" / "index.json").read_text())
    assert {tar["url"]: tar["blake2b"] for tar in index["shardlist"]} == {name: d for name, (_, d) in after.items()}
    assert leftovers(here.folder) == []
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def test_tars_follow_what_the_user_does_and_nothing_else_is_packed_again(place: Workplace) -> None:
    names = [f"train-0000{shard}-00{number}.tar" for shard in (0, 1) for number in (0, 1)]
    before = tars(place)
    assert sorted(before) == names
    packed = read(*(place.dataset / "packed" / name for name in names))
    assert packed == {
        place.sample(number).name: {path.name: path.read_bytes() for path in place.sample(number).iterdir()}
        for number in range(4)
    }
    make_clip(place.clip(2), seed=77)
    (place.dataset / "packed" / names[1]).unlink()
    assert made_again(place, before) == {names[1], names[2]}
    after = tars(place)
    assert after[names[1]][1] == before[names[1]][1]
    assert after[names[2]][1] != before[names[2]][1]
    place.pairs.pop()
    place.save()
    assert made_again(place, after) == {names[3]}
    assert names[3] not in tars(place)


def test_verify_has_no_remark_on_tars_and_a_backup_leaves_them_out(finished: Workplace, tmp_path: Path) -> None:
    ran = finished.make("clip4mc_verify", "clip4mc_backup", "--config", f"backup_dir={tmp_path / 'backup'}")
    report = json.loads((finished.dataset / "verification.json").read_text())
    assert (report["problems"], report["remarks"]) == ({}, {}), ran.text
    (snapshot,) = (tmp_path / "backup").glob("clip4mc/train/2*")
    assert (snapshot / finished.sample(0).name).is_dir()
    assert not (snapshot / "packed").exists()


def test_lost_loose_files_come_back_out_of_a_tar_as_the_page_says_and_nothing_is_made_again(
    finished: Workplace,
) -> None:
    before, marked = contents(finished.dataset), marks(finished.dataset)
    for number in (0, 1):
        shutil.rmtree(finished.sample(number))
    (command,) = [block for block in blocks("sh") if "clip4mc" in block]
    script = command.replace("results/clip4mc/train", str(finished.dataset))
    subprocess.run(["bash", "-ec", script], cwd=finished.folder, check=True)
    assert contents(finished.dataset) == before
    assert remade(marked, marks(finished.dataset)) == {0, 1}  # what was there was left alone
    ran = finished.run("-n")
    assert ran.nothing_to_do, ran.text


def test_recordings_are_packed_once_elsewhere_and_one_comes_back_as_the_page_says(tmp_path: Path) -> None:
    here = SpeakerPlace.create(tmp_path / "place", (2, 1), pack_dir=str(tmp_path / "disk"))
    here.make("speaker_pack")
    folder = tmp_path / "disk" / "speaker" / "studio"
    assert (here.dataset / "packed").resolve() == folder
    assert list(read(*folder.glob("*.tar"))) == ["0%2F00", "0%2F01", "1%2F00"]
    lost = here.embedding(0, 1)
    whole = lost.read_bytes()
    lost.unlink()
    (command,) = [block for block in blocks("sh") if "speaker" in block]
    subprocess.run(["bash", "-ec", command.replace("results/speaker/studio", str(here.dataset))], check=True)
    assert lost.read_bytes() == whole


def test_the_loader_of_the_page_reads_every_sample_in_its_true_form(
    finished: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (loader,) = blocks("python")
    (tmp_path / "loader.py").write_text(loader)
    monkeypatch.chdir(finished.folder)
    runpy.run_path(str(tmp_path / "loader.py"))
    printed = capsys.readouterr().out.splitlines()
    assert printed == [f"{finished.sample(number).name} (2, 16, 16, 3) (77,)" for number in range(4)]
