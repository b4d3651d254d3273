import errno
import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from scripts.shared.errors import ConfigError, JobError
from scripts.shared.training.checkpoints import CheckpointFolder, check_whole, newest_of, read_checkpoint


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def value(number: int) -> dict[str, Any]:
    return {"weights": torch.full((100,), float(number)), "epoch": number, "name": "run"}


def test_the_newest_is_the_one_with_the_most_steps_whatever_the_clock_says(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path / "checkpoints", "mine")
    folder.save("b.pt", value(2), step=200)
    folder.save("a.pt", value(1), step=100)
    found = CheckpointFolder(tmp_path / "checkpoints", "mine").newest()
    assert found is not None
    assert (found.path.name, found.step, found.value["epoch"]) == ("b.pt", 200, 2)
    assert set(found.value) == {"weights", "epoch", "name"}


def test_of_a_folder_that_is_named_the_newest_is_the_one_with_the_most_steps_not_the_last_name(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path, "another")
    for step in (900, 1000):
        folder.save(f"step_{step}.pt", value(step), step=step)
    assert newest_of(tmp_path).step == 1000
    assert newest_of(tmp_path / "step_900.pt").step == 900


def test_a_named_checkpoint_that_is_not_there_is_told(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "gone.pt"):
        with pytest.raises(ConfigError, match="no checkpoint there"):
            newest_of(path)


def test_to_begin_anew_moves_what_is_there_aside(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path / "checkpoints", "mine")
    folder.begin_anew()
    for number in (1, 2):
        folder.save("a.pt", value(number), step=number)
        folder.begin_anew()
        assert folder.newest() is None
    kept = [tmp_path / "checkpoints-mine" / "a.pt", tmp_path / "checkpoints-mine-2" / "a.pt"]
    assert [read_checkpoint(path).step for path in kept] == [1, 2]


def test_an_empty_folder_has_no_newest(tmp_path: Path) -> None:
    assert CheckpointFolder(tmp_path / "checkpoints", "mine").newest() is None


def test_the_last_two_are_kept_and_those_that_last(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path, "mine")
    for step in range(1, 7):
        folder.save(f"{step}.pt", value(step), step=step, lasting=step == 3)
    assert names(tmp_path) == ["3.pt", "5.pt", "6.pt"]


def test_old_ones_are_still_removed_after_the_training_went_on(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path, "mine")
    for step in (1, 2, 3):
        folder.save(f"{step}.pt", value(step), step=step, lasting=step == 1)
    again = CheckpointFolder(tmp_path, "mine")
    again.newest()
    again.save("4.pt", value(4), step=4)
    assert names(tmp_path) == ["1.pt", "3.pt", "4.pt"]


def test_one_of_the_same_name_is_replaced_and_counts_once(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path, "mine")
    for step in (1, 2, 3):
        folder.save("latest.pt", value(step), step=step)
    folder.save("other.pt", value(4), step=4)
    assert names(tmp_path) == ["latest.pt", "other.pt"]
    assert read_checkpoint(tmp_path / "latest.pt").step == 3


def test_a_file_that_others_wrote_is_never_gone_on_from_and_never_written_over(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    torch.save({"epoch": 3, "step": 700}, folder / "epoch_latest.pt")
    assert CheckpointFolder(folder, "mine").newest() is None
    assert names(tmp_path / "checkpoints-unknown") == ["epoch_latest.pt"]
    with pytest.raises(ConfigError, match="no checkpoint that a training here wrote"):
        read_checkpoint(tmp_path / "checkpoints-unknown" / "epoch_latest.pt")


def test_folders_moved_aside_do_not_meet(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for identity in ("first", "second", "first", "second"):
            folder = CheckpointFolder(tmp_path / "checkpoints", identity * 3)
            assert folder.newest() is None
            folder.save("1.pt", value(1), step=1)
    assert names(tmp_path) == ["checkpoints", "checkpoints-firstfir", "checkpoints-firstfir-2", "checkpoints-secondse"]
    assert "other settings, data or start: moved to" in caplog.text


def test_a_file_that_would_run_something_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    torch.save({"polymill": {"identity": "mine", "step": 9, "lasting": False}, "run": print}, tmp_path / "9.pt")
    CheckpointFolder(tmp_path, "mine").save("1.pt", value(1), step=1)
    found = CheckpointFolder(tmp_path, "mine").newest()
    assert found is not None
    assert found.step == 1
    assert "nothing in it was run" in caplog.text


def test_every_flipped_byte_of_a_tensor_is_found(tmp_path: Path) -> None:
    path = CheckpointFolder(tmp_path, "mine").save("1.pt", value(1), step=1)
    content = path.read_bytes()
    begin = content.index(value(1)["weights"].numpy().tobytes())
    for place in (begin, begin + 200, begin + 399):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(ConfigError, match=r"1\.pt: damaged"):
            check_whole(path)
    path.write_bytes(content)
    check_whole(path)


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = CheckpointFolder(tmp_path, "mine")
    folder.save("latest.pt", value(1), step=1)
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(JobError, match=r"latest\.pt: not written .*No space left.*goes on from the checkpoint before"):
        folder.save("latest.pt", value(2), step=2)
    assert names(tmp_path) == ["latest.pt"]
    assert read_checkpoint(tmp_path / "latest.pt").step == 1


def full(_descriptor: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("name", ["../up.pt", "epoch", "a/b.pt"])
def test_a_name_that_is_no_file_of_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no file name"):
        CheckpointFolder(tmp_path, "mine").save(name, value(1), step=1)
