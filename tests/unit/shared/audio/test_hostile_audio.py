"""Files that are no recordings, or no files, or damaged: each is refused by name, and nothing else is opened."""

import os
import socket
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scripts.shared import source_file
from scripts.shared.audio.reading import Audio, read_audio
from scripts.shared.errors import SampleError
from tests.file_server import FileServer, serving
from tests.odd_audio import CODECS, channels, write
from tests.unit.shared.audio.test_reading import failure
from tests.unit.shared.video.test_hostile import GARBAGE, lists_of


@pytest.mark.timeout(10)
def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.wav"))
        for path in (tmp_path, tmp_path / "pipe.wav", tmp_path / "socket.wav", Path("/dev/zero")):
            assert failure(path).error == "not_a_file", path


def test_a_missing_or_empty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    os.symlink("nowhere", tmp_path / "dangling.wav")
    assert failure(tmp_path / "none.wav").error == "not_found"
    assert failure(tmp_path / "dangling.wav").error == "not_found"
    assert failure(tmp_path / "empty.wav").error == "empty_file"


def test_a_file_without_permission_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:  # root may read everything, so the kernel's answer is played
        raise PermissionError(13, "Permission denied")

    (tmp_path / "secret.wav").write_bytes(b"x")
    monkeypatch.setattr(source_file.os, "open", refuse)
    assert failure(tmp_path / "secret.wav").error == "unreadable"


@pytest.mark.parametrize("suffix", [".wav", ".m4a"])
def test_a_disk_that_fails_while_reading_is_unreadable(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / f"a{suffix}", channels(1))

    def fail(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(source_file.os, "pread", fail)
    assert failure(path).error == "unreadable"


@pytest.mark.parametrize("suffix", [".wav", ".mp3", ".flac", ".m4a"])
@pytest.mark.parametrize("name", GARBAGE)
def test_what_is_no_recording_is_unreadable(name: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(GARBAGE[name])
    assert failure(path).error == "unreadable"


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", lists_of(""))
def test_a_playlist_opens_no_other_file_and_no_address(name: str, tmp_path: Path) -> None:
    clip = write(tmp_path / "clip.aac", channels(1))
    path = tmp_path / "list.m4a"
    with serving(FileServer({"/clip.aac": clip.read_bytes()})) as server:
        for target in ("clip.aac", str(clip), f"{server.url}/clip.aac"):
            path.write_text(lists_of(target)[name])
            error = failure(path)
            assert error.error == "unreadable"
            assert "name the recording itself" in error.message
        assert server.asked == []


def test_the_playlists_of_these_tests_would_ask_the_server(tmp_path: Path) -> None:
    clip = write(tmp_path / "clip.aac", channels(1))
    with serving(FileServer({"/clip.aac": clip.read_bytes()})) as server:
        (tmp_path / "list.m3u8").write_text(lists_of(f"{server.url}/clip.aac")["list.m3u8"])
        with av.open(str(tmp_path / "list.m3u8"), options={"protocol_whitelist": "file,http,tcp"}) as container:
            assert sum(frame.samples for frame in container.decode(audio=0)) >= 32000
        assert server.asked


def test_a_name_that_looks_like_an_address_is_only_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for suffix in (".wav", ".m4a"):
        data = write(tmp_path / f"a{suffix}", channels(1)).read_bytes()
        for name in ("concat:a|b", "http:x", "-i", "ünï çødé", "%03d", os.fsdecode(b"\xff\xfe"), "-"):
            Path(name).write_bytes(data)
            assert len(read_audio(Path(name)).samples) >= 32000


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    good, bad = write(tmp_path / "a.m4a", channels(1)), tmp_path / "b.mp3"
    bad.write_bytes(b"\xff\xfb\x90\x64" * 20)
    paths = [good, bad, write(tmp_path / "c.flac", channels(1)), write(tmp_path / "d.opus", channels(1))]
    before = len(os.listdir("/proc/self/fd"))
    for path in paths * 3:
        outcome(path)
    assert len(os.listdir("/proc/self/fd")) == before


def outcome(path: Path) -> Audio | SampleError:
    """What reading a file comes to, as a value."""
    try:
        return read_audio(path)
    except SampleError as error:
        return error


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    return {suffix: write(folder / f"a{suffix}", channels(1, 0.5)).read_bytes() for suffix in CODECS}


@pytest.mark.parametrize("suffix", CODECS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_bytes_anywhere_raise_nothing_else(
    suffix: str, whole: dict[str, bytes], tmp_path: Path, data: st.DataObject
) -> None:
    broken = bytearray(whole[suffix])
    reach = data.draw(st.sampled_from([64, 512, len(broken)]))
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, reach - 1), st.integers(0, 255)), max_size=12)):
        broken[place] = value
    path = tmp_path / f"a{suffix}"
    path.write_bytes(broken[: data.draw(st.integers(1, len(broken)))])
    result = outcome(path)
    if isinstance(result, SampleError):
        assert "\n" not in result.message
        assert path.name in result.message
    else:
        assert np.isfinite(result.samples).all()
        assert result.duration > 0


@pytest.mark.parametrize("suffix", CODECS)
def test_a_file_cut_anywhere_is_never_silently_shorter(suffix: str, whole: dict[str, bytes], tmp_path: Path) -> None:
    data = whole[suffix]
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data)
    n_whole = len(read_audio(path).samples)
    n_shorter = 0
    for cut in np.random.default_rng(2).integers(1, len(data), 60):
        path.write_bytes(data[:cut])
        result = outcome(path)
        if isinstance(result, SampleError):
            assert result.error in ("truncated", "unreadable", "corrupt", "no_samples"), result
        else:
            n_shorter += len(result.samples) < n_whole
    # AAC and MP3 streams cut exactly between two frames are whole streams; an MP3 counts its frames at its begin.
    assert n_shorter <= (1 if suffix in (".aac", ".mp3") else 0)
