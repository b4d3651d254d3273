"""Each format, at several rates and numbers of channels, and the errors of those that cannot be used."""

import tracemalloc
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from scripts.shared.audio import decoding
from scripts.shared.audio.mpeg import first_frame, frame_header
from scripts.shared.audio.reading import Audio, read_audio
from scripts.shared.errors import SampleError
from tests.odd_audio import CODECS, channels, encode, voice, write
from tests.odd_videos import X264
from tests.odd_videos import encode as encode_video


def failure(path: Path, **options: str) -> SampleError:
    with pytest.raises(SampleError) as caught:
        read_audio(path, **options)
    assert path.name in caught.value.message
    assert "\n" not in caught.value.message
    return caught.value


def likeness(audio: Audio, expected: NDArray[np.float32]) -> tuple[int, float]:
    """(lag in samples, correlation there) of what was read and what was written."""
    size = 2 * max(len(audio.samples), len(expected))
    spectrum = np.fft.rfft(expected, size).conj() * np.fft.rfft(audio.samples, size)
    products = np.fft.irfft(spectrum, size)
    lag = int(np.argmax(products))
    return (lag if lag < size // 2 else lag - size), float(
        products[lag] / np.linalg.norm(audio.samples) / np.linalg.norm(expected)
    )


ROUND_TRIPS = [
    (suffix, rate, n)
    for suffix in CODECS
    for rate, n in ((16000, 1), (8000, 1), (44100, 2), (48000, 6))
    if not (suffix in (".mp3", ".wma") and n > 2) and not (suffix == ".opus" and rate == 44100)
]
# Whole frames at both ends: raw AAC has no word on what its encoder put there, and FFmpeg drops the first of WMA.
INEXACT = {".m4a": 2048, ".aac": 4096, ".wma": 2048}
LIKE = {".wav": 0.99999, ".flac": 0.99999, ".wma": 0.96}


@pytest.mark.parametrize(("suffix", "rate", "n_channels"), ROUND_TRIPS)
def test_a_format_gives_back_what_was_written(suffix: str, rate: int, n_channels: int, tmp_path: Path) -> None:
    path = write(tmp_path / f"a{suffix}", channels(n_channels, rate=rate), rate)
    audio = read_audio(path)
    assert audio.decoder == ("pyav" if suffix in (".opus", ".m4a", ".aac", ".wma") else "soundfile")
    assert (audio.sample_rate, audio.channels, audio.channel) == (
        48000 if suffix == ".opus" else rate,
        n_channels,
        "mean",
    )
    assert audio.samples.dtype == np.float32
    slack = INEXACT.get(suffix, 0) / rate
    assert audio.duration == pytest.approx(2, abs=slack + 1e-6)
    assert len(audio.samples) == pytest.approx(audio.duration * 16000, abs=1)
    lag, correlation = likeness(audio, voice())
    assert abs(lag) <= slack * 16000
    assert correlation > LIKE.get(suffix, 0.985)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "MS_ADPCM", "GSM610"])
def test_every_kind_of_wave_file_is_read(subtype: str, tmp_path: Path) -> None:
    audio = read_audio(write(tmp_path / "a.wav", channels(1), subtype=subtype))
    assert likeness(audio, voice()) == (0, pytest.approx(1, abs=0.02))


@pytest.mark.parametrize(
    ("codec", "suffix"), [("pcm_u8", ".wav"), ("pcm_s16le", ".mkv"), ("pcm_s32le", ".mkv"), ("pcm_f64le", ".mkv")]
)
def test_pyav_scales_samples_as_soundfile_does(
    codec: str, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "_open_soundfile", lambda _: None)
    encode(tmp_path / f"a{suffix}", channels(2), 16000, codec)
    audio = read_audio(tmp_path / f"a{suffix}")
    assert audio.decoder == "pyav"
    np.testing.assert_allclose(audio.samples, voice(), atol=0.009 if codec == "pcm_u8" else 1e-4)


def test_the_channels_are_averaged_and_not_added(tmp_path: Path) -> None:
    left, right = voice(), voice()[::-1]
    path = write(tmp_path / "a.wav", np.stack([left, right], axis=1), subtype="FLOAT")
    np.testing.assert_allclose(read_audio(path).samples, (left + right) / 2, atol=1e-7)
    first = read_audio(path, channel="0")
    np.testing.assert_array_equal(first.samples, left)
    assert first.channel == "0"


@pytest.mark.parametrize("suffix", [".wav", ".mp3", ".m4a", ".ogg", ".opus"])
def test_of_channels_that_cancel_each_other_the_first_is_taken(suffix: str, tmp_path: Path) -> None:
    both = np.stack([voice(), -voice()], axis=1)
    audio = read_audio(write(tmp_path / f"a{suffix}", both))
    assert (audio.channel, audio.channels) == ("0", 2)
    assert likeness(audio, voice())[1] > 0.98


@pytest.mark.parametrize("seed", range(3))
def test_channels_that_only_differ_are_averaged(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    audio = read_audio(write(tmp_path / "a.wav", rng.normal(0, 0.1, (8000, 2)).astype(np.float32)))
    assert audio.channel == "mean"


def test_a_silent_first_channel_does_not_hide_the_second(tmp_path: Path) -> None:
    audio = read_audio(write(tmp_path / "a.wav", np.stack([np.zeros_like(voice()), voice()], axis=1)))
    assert audio.channel == "mean"
    assert np.abs(audio.samples).max() == pytest.approx(np.abs(voice()).max() / 2, rel=1e-3)


def test_samples_above_full_scale_are_kept(tmp_path: Path) -> None:
    loud = 10 * voice()
    assert np.abs(loud).max() > 1.5
    path = write(tmp_path / "a.wav", loud, subtype="FLOAT")
    np.testing.assert_array_equal(read_audio(path).samples, loud)


def test_the_resampler_is_the_one_that_was_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", channels(1, rate=44100), 44100)
    soxr, sinc = (read_audio(path, resampler=kind).samples for kind in ("soxr", "sinc"))
    assert 0 < np.abs(soxr - sinc).max() < 0.01


def test_an_mp3_read_in_blocks_is_that_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """soundfile seeks after each block, and the decoder has lost what frames left over for others then."""
    rng = np.random.default_rng(0)
    bursts = (rng.random(61) < 0.3).repeat(800)[:48000]
    samples = rng.normal(0, 0.2, 48000) * bursts + 1e-4 * rng.normal(0, 1, 48000)
    path = write(tmp_path / "a.mp3", samples.astype(np.float32), flags="+qscale", global_quality="472")
    monkeypatch.setattr(decoding, "_BLOCK", 1000)
    np.testing.assert_allclose(read_audio(path).samples, soundfile.read(path, dtype="float32")[0], atol=1e-6)


def test_a_long_file_needs_memory_for_its_mono_signal_only(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    with soundfile.SoundFile(path, "w", 48000, 2) as file:
        for _ in range(60):
            file.write(channels(2, 2.0, 48000))
    tracemalloc.start()
    audio = read_audio(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(audio.samples) == 120 * 16000
    assert peak < audio.samples.nbytes * 1.2 + 4_000_000  # the file holds six times as much


def test_a_flac_that_was_written_to_a_pipe_is_whole(tmp_path: Path) -> None:
    """Its writer could not go back to say how long it is."""
    path = write(tmp_path / "a.flac", channels(1))
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0  # the last 36 bits of these five bytes
    data[22:26] = bytes(4)
    path.write_bytes(data)
    assert read_audio(path).duration == 2


def half(path: Path) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2 + 7])
    return path


@pytest.mark.parametrize("suffix", CODECS)
def test_half_a_file_is_truncated(suffix: str, tmp_path: Path) -> None:
    error = failure(half(write(tmp_path / f"a{suffix}", channels(2, 3.0, 48000), 48000)))
    assert error.error == "truncated"
    assert "copy or download it again" in error.message


def test_half_an_mp3_without_a_count_is_truncated(tmp_path: Path) -> None:
    assert failure(half(write(tmp_path / "a.mp3", channels(1), write_xing="0"))).error == "truncated"


def test_half_an_mp3_cut_between_frames_is_truncated_by_its_count(tmp_path: Path) -> None:
    data = write(tmp_path / "a.mp3", channels(1)).read_bytes()
    at = first_frame(lambda first, count: data[first : first + count], len(data))
    while at < len(data) // 2:
        header = frame_header(data, at)
        assert header is not None
        at += header.length
    (tmp_path / "a.mp3").write_bytes(data[:at])
    assert "its header promises 32000 samples" in failure(tmp_path / "a.mp3").message


def test_half_an_m4a_with_its_index_in_front_is_truncated(tmp_path: Path) -> None:
    path = write(tmp_path / "a.m4a", channels(1), movflags="faststart")
    data = path.read_bytes()
    for cut in np.random.default_rng(0).integers(len(data) // 2, len(data) - 1, 10):
        path.write_bytes(data[:cut])
        assert failure(path).error == "truncated", cut


def test_an_m4a_cut_between_packets_is_truncated_by_its_index(tmp_path: Path) -> None:
    path = write(tmp_path / "a.m4a", channels(1), movflags="faststart")
    data = path.read_bytes()
    with av.open(str(path)) as container:
        ends = [packet.pos + packet.size for packet in container.demux(audio=0) if packet.size]
    path.write_bytes(data[: ends[len(ends) // 2]])
    assert "its index lists" in failure(path).message


def test_an_m4a_whose_edit_list_leaves_packets_out_is_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "a.m4a", channels(1))
    data = bytearray(path.read_bytes())
    at = data.find(b"elst") + 12  # how long the sound is, in milliseconds
    data[at : at + 4] = (int.from_bytes(data[at : at + 4], "big") // 2).to_bytes(4, "big")
    path.write_bytes(data)
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        assert sum(packet.size > 0 for packet in container.demux(stream)) < stream.frames
    assert read_audio(path).duration == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("where", [0.3, 0.6])
def test_a_damaged_flac_is_refused(where: float, tmp_path: Path) -> None:
    path = write(tmp_path / "a.flac", channels(1, 20.0))
    data = bytearray(path.read_bytes())
    data[int(len(data) * where)] ^= 0x55
    path.write_bytes(data)
    assert failure(path).error == "corrupt"


def test_a_flac_that_libsndfile_refuses_is_not_given_to_pyav(tmp_path: Path) -> None:
    path = write(tmp_path / "a.flac", channels(1))
    data = bytearray(path.read_bytes())
    data[18:20], data[20] = bytes(2), data[20] & 0x0F  # a rate of 0 Hz
    path.write_bytes(data)
    with av.open(str(path)) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) == 32000
    assert failure(path).error == "unreadable"


def test_damage_inside_an_m4a_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.m4a", channels(1, 5.0), movflags="faststart")
    data = bytearray(path.read_bytes())
    place = len(data) // 2
    data[place : place + 3000] = np.random.default_rng(1).bytes(3000)
    path.write_bytes(data)
    assert failure(path).error == "corrupt"


def test_an_opus_file_with_a_damaged_page_is_refused(tmp_path: Path) -> None:
    """FFmpeg leaves such a page out, a second of sound, without an error."""
    path = write(tmp_path / "a.opus", channels(1, 5.0))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert failure(path).error == "corrupt"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("channel", ["mean", "0"])
def test_samples_that_are_no_numbers_are_refused_with_their_place(bad: float, channel: str, tmp_path: Path) -> None:
    samples = channels(2).copy()
    samples[12000, 0] = bad
    path = write(tmp_path / "a.wav", samples, subtype="FLOAT")
    error = failure(path, channel=channel)
    assert error.error == "not_finite_samples"
    assert "0.750 s" in error.message


@pytest.mark.parametrize("level", [0.0, 9e-5])
def test_a_silent_file_is_refused(level: float, tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", np.full((8000, 2), level, np.float32), subtype="FLOAT")
    assert failure(path).error == "silent"


def test_a_quiet_file_is_not_silent(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", np.full((8000, 1), 1.1e-4, np.float32), subtype="FLOAT")
    assert len(read_audio(path).samples) == 8000


def test_channels_that_cancel_each_other_may_be_silent_too(tmp_path: Path) -> None:
    quiet = np.full(8000, 5e-5, np.float32)
    assert failure(write(tmp_path / "a.wav", np.stack([quiet, -quiet], axis=1), subtype="FLOAT")).error == "silent"


def test_a_file_without_a_sample_says_so(tmp_path: Path) -> None:
    assert failure(write(tmp_path / "a.wav", np.zeros((0, 1), np.float32))).error == "no_samples"


def test_a_video_without_sound_has_no_audio_stream(tmp_path: Path) -> None:
    encode_video(tmp_path / "a.mp4", *X264, n_frames=5)
    (tmp_path / "a.mp4").rename(tmp_path / "a.m4a")
    assert failure(tmp_path / "a.m4a").error == "no_audio_stream"


@pytest.mark.parametrize("rate", [100, 1999, 2_000_000])
def test_a_rate_that_no_recording_has_is_refused(rate: int, tmp_path: Path) -> None:
    assert failure(write(tmp_path / "a.wav", channels(1, 0.1), rate)).error == "unsupported"


def test_a_signal_longer_than_a_day_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.shared.audio.reading._LONGEST_S", 1)
    assert failure(write(tmp_path / "a.wav", channels(1))).error == "too_long"


def test_the_shortest_file_is_read(tmp_path: Path) -> None:
    for suffix in (".wav", ".flac", ".mp3", ".ogg", ".opus"):
        audio = read_audio(write(tmp_path / f"a{suffix}", np.full((1, 1), 0.5, np.float32), 48000))
        assert audio.duration < 0.1
