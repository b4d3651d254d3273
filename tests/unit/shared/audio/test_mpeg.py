from pathlib import Path

import numpy as np
import pytest

from scripts.shared.audio.mpeg import counts_its_frames, cut_frame, first_frame, frame_header
from tests.odd_audio import channels, write


def looks(data: bytes) -> tuple[str | None, bool]:
    """(what is missing of the last frame, whether the frames are counted) of a file's bytes."""

    def read_at(first: int, count: int) -> bytes:
        assert first >= 0
        return data[first : first + count]

    return cut_frame(read_at, len(data)), counts_its_frames(read_at, len(data))


@pytest.fixture(scope="module", params=[(8000, 1), (16000, 1), (22050, 2), (44100, 1), (48000, 2)])
def mp3(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """MPEG 2.5, 2 and 1 without any tag."""
    rate, n_channels = request.param
    path = tmp_path_factory.mktemp("mp3") / "a.mp3"
    write(path, channels(n_channels, 1.0, rate), rate, write_xing="0", id3v2_version="0")
    return path.read_bytes()


def test_frames_follow_each_other_to_the_end_of_a_file(mp3: bytes) -> None:
    at = 0
    while at < len(mp3):
        header = frame_header(mp3, at)
        assert header is not None
        at += header.length
    assert at == len(mp3)


def test_a_file_cut_within_a_frame_is_noticed_and_one_cut_between_frames_is_not(mp3: bytes) -> None:
    header = frame_header(mp3, 0)
    assert header is not None
    assert looks(mp3) == (None, False)
    end = len(mp3)
    assert looks(mp3[: end - 1])[0] == "its last frame ends 1 bytes after the file"
    for cut in range(end - 2000, end, 37):
        missing, _ = looks(mp3[:cut])
        at = 0
        while at < cut:
            found = frame_header(mp3, at)
            assert found is not None
            at += found.length
        assert (missing is None) == (at == cut), cut


def test_tags_around_the_frames_are_no_frames(mp3: bytes) -> None:
    size = 400
    id3v2 = b"ID3\4\0\0" + bytes([0, 0, size >> 7, size & 0x7F]) + b"\xff\xfb" * (size // 2)
    ape = b"APETAGEX" + (2000).to_bytes(4, "little") + (50).to_bytes(4, "little") + bytes(16)
    ape_tag = bytes(18) + ape
    id3v1 = b"TAG" + b"\xff\xfb\x90\x64" * 31 + b"\0"
    assert first_frame(lambda first, count: (id3v2 + mp3)[first : first + count], len(id3v2 + mp3)) == len(id3v2)
    for whole in (id3v2 + mp3, mp3 + id3v1, mp3 + ape_tag + id3v1, id3v2 + id3v2 + mp3 + ape_tag):
        assert looks(whole)[0] is None


def test_the_count_of_frames_is_found_in_files_that_have_one(tmp_path: Path) -> None:
    for rate, n_channels in ((44100, 1), (44100, 2), (16000, 1), (16000, 2), (8000, 1)):
        path = write(tmp_path / "a.mp3", channels(n_channels, 0.5, rate), rate)
        assert looks(path.read_bytes()) == (None, True)


def test_a_cut_aac_stream_is_noticed(tmp_path: Path) -> None:
    data = write(tmp_path / "a.aac", channels(1)).read_bytes()
    assert looks(data) == (None, False)
    assert str(looks(data[:-3])[0]) == "its last frame ends 3 bytes after the file"


@pytest.mark.parametrize("size", [0, 1, 5, 100, 5000])
def test_bytes_that_are_no_frames_are_never_cut_ones(size: int) -> None:
    rng = np.random.default_rng(size)
    for data in (rng.bytes(size), bytes(size), b"\xff" * size):
        assert looks(data) == (None, False)
