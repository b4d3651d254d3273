"""The speaker system through the `snakemake` command: what a user asks of a run, on short made recordings."""

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import soundfile

from scripts.shared.safe_pickle import dumps, loads
from tests.snakemake_run import contents, everything, leftovers
from tests.speaker_place import SpeakerPlace, make_recording

VOICES = (6, 5)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> SpeakerPlace:
    """A finished collection of eleven recordings, with two that cannot be embedded."""
    here = SpeakerPlace.create(tmp_path_factory.mktemp("finished") / "place", VOICES)
    (here.folder / "audio/0/03_empty.wav").touch()
    soundfile.write(here.folder / "audio/1/09_silent.flac", np.zeros(8000), 16000)
    here.make()
    return here


@pytest.fixture
def place(finished: SpeakerPlace, tmp_path: Path) -> SpeakerPlace:
    return finished.copy(tmp_path / "place")


def marks(here: SpeakerPlace) -> dict[str, tuple[int, int]]:
    files = sorted((here.dataset / "embeddings").rglob("*.pkl"))
    return {str(p.relative_to(here.dataset / "embeddings")): (p.stat().st_mtime_ns, p.stat().st_ino) for p in files}


def remade(here: SpeakerPlace, before: dict[str, tuple[int, int]]) -> set[str]:
    return {name for name, mark in marks(here).items() if before.get(name) != mark}


def failures(here: SpeakerPlace) -> dict[str, str]:
    with (here.dataset / "failures.csv").open(newline="") as file:
        return {row["key"]: row["error"] for row in csv.DictReader(file)}


def test_every_recording_has_its_embedding_or_its_reason(finished: SpeakerPlace) -> None:
    array = np.load(finished.dataset / "embeddings.npy", mmap_mode="r")
    assert failures(finished) == {"0/03_empty.wav": "empty_file", "1/09_silent.flac": "silent"}
    rows = list(csv.DictReader((finished.dataset / "embeddings.csv").open()))
    assert [row["relative_path"] for row in rows] == [
        f"{voice}/{number:02d}.wav" for voice, count in enumerate(VOICES) for number in range(count)
    ]
    for row in rows:
        held = loads((finished.dataset / "embeddings" / row["relative_path"]).with_suffix(".pkl").read_bytes())
        np.testing.assert_array_equal(held["embedding"], array[int(row["row"])])
        assert (held["relative_path"], held["audio_file"]) == (row["relative_path"], row["relative_path"])
    assert len(rows) == len(array) == 11


def test_recordings_without_embedding_are_listed_with_their_speaker(finished: SpeakerPlace) -> None:
    found = finished.found()
    listed = [path for of in found["speakers"] for path in of["no_embedding"]] + found["undecided"]
    assert (found["total_audio_files"], found["files_without_embedding"]) == (11, 2)
    assert sorted(listed) == ["0/03_empty.wav", "1/09_silent.flac"]
    linked = sorted((finished.dataset / "boundaries").glob("speaker_*/**/*.wav"))
    assert all(os.path.samefile(path, finished.folder / "audio" / path.parent.name / path.name) for path in linked)
    assert len(linked) >= 11


def test_a_finished_collection_plans_to_nothing_and_a_plan_writes_nothing(finished: SpeakerPlace) -> None:
    before = everything(finished.folder / "results"), everything(finished.folder / "work")
    assert finished.run("-n").nothing_to_do
    assert (everything(finished.folder / "results"), everything(finished.folder / "work")) == before
    assert leftovers(finished.folder) == []


def test_only_what_changed_is_embedded_again(place: SpeakerPlace) -> None:
    before = marks(place)
    make_recording(place.recording(0, 1), 0, seed=999)  # another content
    place.embedding(1, 0).unlink()
    place.recording(0, 5).unlink()
    make_recording(place.folder / "audio/0/02.flac", 0, seed=5)  # now 02.wav and 02.flac both keep their suffix
    place.make("--config", "sources_gone=ok")
    assert remade(place, before) == {"0/01.pkl", "1/00.pkl", "0/02.wav.pkl", "0/02.flac.pkl"}
    assert not place.embedding(0, 2).exists()
    names = [row["relative_path"] for row in csv.DictReader((place.dataset / "embeddings.csv").open())]
    assert names[:5] == ["0/00.wav", "0/01.wav", "0/02.flac", "0/02.wav", "0/03.wav"]
    assert "0/05.wav" not in names
    assert place.run("--config", "sources_gone=ok").nothing_to_do


def test_a_boundary_option_embeds_nothing_and_finds_boundaries_again(place: SpeakerPlace) -> None:
    before = marks(place)
    place.options |= {"n_speakers": 2, "materialise": "copy", "flat": True}
    place.save()
    place.make()
    assert remade(place, before) == set()
    assert len(place.found()["speakers"]) == 2
    copies = list((place.dataset / "boundaries/speaker_002").iterdir())
    assert copies
    assert all(path.is_file() and not path.is_symlink() for path in copies)


def test_one_embedding_is_made_by_its_path(place: SpeakerPlace) -> None:
    before = marks(place)
    whole = place.embedding(1, 3).read_bytes()
    place.embedding(1, 3).unlink()
    place.make("results/speaker/studio/embeddings/1/03.pkl")
    assert place.embedding(1, 3).read_bytes() == whole
    assert remade(place, before) == {"1/03.pkl"}
    absent = place.run("results/speaker/studio/embeddings/1/77.pkl")
    assert "embeddings/1/77.pkl: no recording of the collection" in absent.text
    assert place.run("results/speaker/studio/embeddings/0/03_empty.pkl").code != 0


def test_the_bytes_do_not_depend_on_workers_jobs_or_shards(place: SpeakerPlace, tmp_path: Path) -> None:
    again = SpeakerPlace(tmp_path / "again", {**place.options, "workers": 2, "shard_size": 3})
    again.folder.mkdir()
    for name in ("audio", "model", "profiles"):
        (again.folder / name).symlink_to(place.folder / name)
    again.save()
    again.make()
    without = (".state", "extraction_stats.json", "throughput.png", "boundaries", "figures")
    assert contents(again.dataset, without) == contents(place.dataset, without)


def test_boundaries_are_found_in_embeddings_made_elsewhere_and_evaluated(place: SpeakerPlace) -> None:
    rng = np.random.default_rng(1)
    folder = place.folder / "lab"
    folder.mkdir()
    lines = ["relative_path,speaker"]
    for speaker, count in enumerate((12, 20, 9)):
        centre = rng.normal(size=64)
        for number in range(count):
            name = f"{speaker}/{number:03d}.wav"
            vector = (centre + 0.3 * rng.normal(size=64)).astype(np.float32)
            (folder / f"{speaker}_{number}.pkl").write_bytes(
                dumps({"embedding": vector, "relative_path": name, "duration": 1.0})
            )
            lines.append(f"{name},s{speaker}")
    (place.folder / "truth.csv").write_text("\n".join(lines) + "\n")
    place.save(lab={"embeddings_dir": "lab", "reference": "truth.csv", "method": "cosine", "segment_size": 25,
                    "boundary_window": 3, "figures": True})  # fmt: skip
    place.make()
    lab = place.folder / "results/speaker/lab"
    assert json.loads((lab / "boundaries/evaluation.json").read_text())["tolerances"]["5"]["f1"] < 1
    result = json.loads((lab / "boundaries/speaker_boundary_detection_result.json").read_text())
    assert result["method"] == "cosine"
    assert any("changepoint" in note for note in result["notes"])
    assert (lab / "boundaries/uncertain_boundaries.png").stat().st_size > 5000
    place.save(lab={"embeddings_dir": "lab", "reference": "truth.csv"})
    place.make()
    scores = json.loads((lab / "boundaries/evaluation.json").read_text())
    assert (scores["tolerances"]["0"]["f1"], scores["mean_absolute_error"]) == (1.0, 0.0)
    assert place.run().nothing_to_do
    (folder / "2_8.pkl").unlink()
    place.make()
    assert len(np.load(lab / "embeddings.npy")) == 40


def test_verify_prune_backup_and_restore(place: SpeakerPlace, tmp_path: Path) -> None:
    backup = f"backup_dir={tmp_path / 'backup'}"
    place.make("speaker_verify")
    place.make("speaker_backup", "--config", backup)
    place.recording(0, 0).unlink()
    place.make("--config", "sources_gone=ok")
    place.make("speaker_prune", "--config", "sources_gone=ok")
    assert not place.embedding(0, 0).exists()
    place.embedding(0, 1).write_bytes(place.embedding(0, 1).read_bytes()[::-1])
    ran = place.run("speaker_verify")
    assert ran.code != 0
    assert "file_damaged, such as 0/01.wav" in ran.text
    (snapshot,) = (tmp_path / "backup/speaker/studio").glob("2*")
    shutil.rmtree(place.dataset)
    shutil.copytree(snapshot, place.dataset, symlinks=True)
    make_recording(place.recording(0, 0), 0, seed=0)
    os.utime(place.recording(0, 0), ns=(1, 1))
    assert "1 to make: 1 source changed" in place.run("-n").text


def test_a_checkpoint_is_exported_as_onnx(place: SpeakerPlace) -> None:
    folder = place.folder / "checkpoint"
    shutil.copytree(Path(__file__).parents[1] / "data/golden/wespeaker/campplus", folder)
    place.options["model_dir"] = "checkpoint"
    place.save()
    place.make("speaker_export")
    session = onnxruntime.InferenceSession(place.dataset / "model.onnx")
    assert [put.name for put in (*session.get_inputs(), *session.get_outputs())] == ["feats", "embs"]


def test_a_model_that_is_none_is_said_before_anything_is_written(place: SpeakerPlace) -> None:
    (place.folder / "model/model.onnx").unlink()
    before = everything(place.folder / "results")
    ran = place.run()
    assert ran.code != 0
    assert "model_dir" in ran.text
    assert everything(place.folder / "results") == before


def test_a_collection_that_is_not_mounted_stops_before_anything_is_written(place: SpeakerPlace) -> None:
    shutil.rmtree(place.folder / "audio/0")
    before = contents(place.folder / "results", without=["run.lock"])
    ran = place.run()
    assert ran.code != 0
    assert "7 of 13 recordings that were there before cannot be seen now in audio: is it mounted?" in ran.text
    assert contents(place.folder / "results", without=["run.lock"]) == before
