import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from scripts.shared.audio.file_end import cut_off
from tests.odd_audio import CODECS, channels, voice, write


def missing(data: bytes) -> str | None:
    """What a file of these bytes lacks."""

    def read_at(first: int, count: int) -> bytes:
        assert first >= 0
        return data[first : first + count]

    return cut_off(read_at, len(data))


@pytest.mark.parametrize("suffix", CODECS)
def test_a_whole_file_lacks_nothing(suffix: str, tmp_path: Path) -> None:
    assert missing(write(tmp_path / f"a{suffix}", channels(2, 1.0, 48000), 48000).read_bytes()) is None


@pytest.mark.parametrize("suffix", [".wav", ".ogg", ".opus", ".m4a", ".wma"])
def test_a_file_cut_anywhere_lacks_its_end(suffix: str, tmp_path: Path) -> None:
    data = write(tmp_path / f"a{suffix}", channels(1)).read_bytes()
    for cut in np.random.default_rng(0).integers(len(data) // 3, len(data), 40):
        assert missing(data[:cut]) is not None, cut
    assert missing(data[:-1]) is not None


def wave(n_data: int, says: int, *, riff: bytes = b"RIFF", before: bytes = b"") -> bytes:
    order = ">" if riff == b"RIFX" else "<"
    form = struct.pack(f"{order}4sIHHIIHH", b"fmt ", 16, 1, 1, 16000, 32000, 2, 16)
    return (
        riff + b"\xff\xff\xff\xff" + b"WAVE" + before + form + struct.pack(f"{order}4sI", b"data", says) + bytes(n_data)
    )


def test_a_wave_file_is_whole_where_its_data_chunk_ends_with_it_or_before() -> None:
    for riff in (b"RIFF", b"RIFX"):
        assert missing(wave(1000, 1000, riff=riff)) is None
        assert missing(wave(1000, 998, riff=riff)) is None
        assert missing(wave(1000, 1002, riff=riff)) == "its 'data' chunk ends 2 bytes after the file"
    assert missing(wave(1000, 3000, before=b"LIST" + struct.pack("<I", 5) + b"abcde\0")) is not None


@pytest.mark.parametrize("says", [0xFFFFFFFF, 0x7FFFF000, 0x80000000])
def test_a_wave_file_from_a_pipe_says_nothing_of_its_length(says: int) -> None:
    assert missing(wave(1000, says)) is None


def test_a_long_wave_file_says_its_length_in_64_bits() -> None:
    def rf64(n_data: int) -> bytes:
        return wave(1000, 0xFFFFFFFF, riff=b"RF64", before=b"ds64" + struct.pack("<IQQQI", 28, 0, n_data, 0, 0))

    assert missing(rf64(1000)) is None
    assert missing(rf64(5 << 30)) == f"its 'data' chunk ends {(5 << 30) - 1000} bytes after the file"


def test_an_ogg_stream_that_was_stopped_at_a_page_is_whole(tmp_path: Path) -> None:
    data = write(tmp_path / "a.ogg", channels(1)).read_bytes()
    last = data.rfind(b"OggS")
    assert missing(data[:last]) is None
    assert missing(data[: last + 10]) == "its last Ogg page ends after the file"
    assert missing(data + b"a tag") is None


def test_an_ogg_file_with_zeros_in_place_of_its_end_lacks_it(tmp_path: Path) -> None:
    data = write(tmp_path / "a.ogg", channels(1)).read_bytes()
    half = data[: data.rfind(b"OggS")]
    assert missing(half + bytes(1000)) == "its last Ogg page is not marked as the end, and other bytes follow"
    assert missing(half + bytes(100_000)) == "the last 65307 bytes hold no Ogg page"


def test_a_wma_stream_that_is_broadcast_says_nothing_of_its_length(tmp_path: Path) -> None:
    data = bytearray(write(tmp_path / "a.wma", channels(1)).read_bytes())
    half = data[: len(data) // 2]
    assert missing(bytes(half)) is not None
    at = half.find(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"))
    half[at + 88] |= 1
    assert missing(bytes(half)) is None


def test_any_bytes_have_an_answer() -> None:
    rng = np.random.default_rng(0)
    starts = [
        b"",
        b"RIFF\0\0\0\0WAVE",
        b"OggS",
        bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),
        b"ID3\4\0\0\0\0\7\7",
    ]
    for start in starts:
        for size in (0, 1, 3, 50, 3000):
            missing(start + rng.bytes(size))


def test_the_tests_wave_is_one(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wave(1000, 1000))
    assert soundfile.info(tmp_path / "a.wav").frames == 500
    assert len(voice()) == 32000
