from pathlib import Path
from typing import Any

import pytest

from scripts.clip4mc.clip import make_clip
from scripts.shared.errors import JobError, SampleError
from scripts.shared.fingerprints import digest_bytes
from scripts.shared.sample_task import SampleTask
from scripts.shared.video.frames import read_frames
from tests.odd_videos import HEIGHT, WIDTH, burnt_number, x264
from tests.unit.shared.video.conftest import every


def task(tmp_path: Path, interval: list[float]) -> SampleTask:
    source = tmp_path / "whole.mp4"
    if not source.exists():
        x264("-g", "30")(source)
    entry: dict[str, Any] = {"source": source.name, "interval": interval}
    return SampleTask("sample_000000_x", entry, {"format": 1}, {}, source, tmp_path / "unfinished" / "1" / "sample")


def test_a_clip_is_the_one_file_of_its_sample_with_what_it_was_made_from(tmp_path: Path) -> None:
    given = task(tmp_path, [0.5, 1.5])
    made = make_clip(given)
    content = (given.folder / "clip.mp4").read_bytes()
    assert made.files == {"clip.mp4": (len(content), digest_bytes(content))}
    assert (made.facts["copied"], made.facts["n_frames"], made.facts["codec"]) == (False, 25, "h264")
    assert made.facts["size_px"] == [WIDTH, HEIGHT]
    # Nothing else is left where samples are made.
    assert [path.name for path in given.folder.parent.iterdir()] == ["sample"]
    got = read_frames(given.folder / "clip.mp4", every, height=HEIGHT, width=WIDTH)
    assert [burnt_number(frame) for frame in got.frames] == list(range(13, 38))


def test_a_clip_that_cannot_be_cut_leaves_nothing(tmp_path: Path) -> None:
    given = task(tmp_path, [8, 9])
    with pytest.raises(SampleError, match="bad_interval"):
        make_clip(given)
    assert not any((tmp_path / "unfinished").rglob("*.mp4"))


def test_a_disk_that_is_full_stops_the_job_and_not_the_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device", "clip.mp4")

    monkeypatch.setattr("scripts.clip4mc.clip.cut_interval", full)
    with pytest.raises(JobError, match=r"clip\.mp4: No space left on device; make room"):
        make_clip(task(tmp_path, [0.5, 1.5]))
