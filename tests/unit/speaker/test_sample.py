"""One recording to its pickle, with a model of a few numbers in place of a trained one."""

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from scripts.shared.errors import SampleError
from scripts.shared.fingerprints import digest_bytes, stat_source
from scripts.shared.sample_task import SampleTask
from scripts.speaker import sample
from scripts.speaker.embedding_file import read_embedding
from scripts.speaker.encoders.model_folder import inspect_model
from scripts.speaker.front_end.fbank import fbank
from scripts.speaker.sample import ReadAudio, cut, finish_sample, make_sample, read_features
from tests.odd_audio import channels, voice, write

DATA = Path(__file__).parents[2] / "data"
GOLDEN, DEMO = DATA / "golden" / "wespeaker", DATA / "demo" / "speaker" / "audio"
SETTINGS = {
    "runtime": "native",
    "model": "tiny",
    "model_digest": "0123",
    "window": "hamming",
    "scale": 32768,
    "channel": "mean",
    "resampler": "soxr",
    "min_frames": 9,
    "max_seconds": 0,
    "batch_seconds": 60,
    "precision": "float32",
    "audio_paths": "absolute",
    "format": 1,
}


class Encoder:
    """Spread of each band over time, times a gain."""

    name, dim, device = "tiny", 80, "cpu"

    def __init__(self, gain: float = 1.0) -> None:
        self.gain, self.shapes = np.float32(gain), []  # type: ignore[var-annotated]

    def embed(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        self.shapes.append(batch.shape)
        spread: NDArray[np.float32] = batch.std(axis=1)
        return spread * self.gain


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> Encoder:
    made = Encoder()
    sample._model.cache_clear()
    monkeypatch.setattr(sample, "load_encoder", lambda *_: made)
    return made


@pytest.fixture(autouse=True)
def _forget_the_model() -> Any:
    yield
    sample._model.cache_clear()


def task(folder: Path, source: Path, **settings: Any) -> SampleTask:
    entry = {"source": f"alice/{source.name}", "files": [f"embeddings/alice/{source.stem}.pkl"]}
    return SampleTask(source.name, entry, SETTINGS | settings, {"model_dir": "/m"}, source, folder / "unfinished")


def made(folder: Path, source: Path, **settings: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what the pickle holds, what the ledger is told)."""
    job = task(folder, source, **settings)
    result = make_sample(job)
    (name,) = job.entry["files"]
    return read_embedding(job.folder / name), result.facts


def test_a_recording_becomes_its_pickle(tmp_path: Path, encoder: Encoder) -> None:
    source = write(tmp_path / "a.flac", channels(2, rate=48000), 48000)
    value, facts = made(tmp_path, source)
    embedding = value.pop("embedding")
    assert value == {
        "audio_file": str(source),
        "relative_path": "alice/a.flac",
        "filename": "a.flac",
        "duration": 2.0,
        "sample_rate": 48000,
        "embedding_dim": 80,
        "model": "tiny:0123",
        "frontend": {
            "window": "hamming",
            "scale": 32768,
            "resampler": "soxr",
            "channel": "mean",
            "decoder": "soundfile",
        },
    }
    assert facts == {
        "duration": 2.0,
        "sample_rate": 48000,
        "channels": 2,
        "decoder": "soundfile",
        "frames": 198,
        "device": "cpu",
    }
    # At the rate of the model the resampler has no say: the voice is the same.
    np.testing.assert_allclose(embedding[:60], fbank(voice()).std(axis=0)[:60], rtol=0.02)
    assert encoder.shapes == [(1, 198, 80)]


def test_the_ledger_gets_the_file_by_its_path_with_size_digest_and_source(tmp_path: Path, encoder: Encoder) -> None:
    job = task(tmp_path, write(tmp_path / "a.wav", channels(1)))
    result = make_sample(job)
    data = (job.folder / "embeddings/alice/a.pkl").read_bytes()
    assert result.files == {"embeddings/alice/a.pkl": (len(data), digest_bytes(data))}
    assert result.source == stat_source(job.source)


def test_the_path_can_be_kept_relative(tmp_path: Path, encoder: Encoder) -> None:
    value, _ = made(tmp_path, write(tmp_path / "a.wav", channels(1)), audio_paths="relative")
    assert value["audio_file"] == value["relative_path"] == "alice/a.wav"


def test_equal_recordings_give_equal_bytes(tmp_path: Path, encoder: Encoder) -> None:
    job = task(tmp_path, write(tmp_path / "a.mp3", channels(2, rate=44100), 44100))
    assert make_sample(job).files == make_sample(job).files


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("window", "povey"),
        ("scale", 1),
        ("channel", "0"),
        ("resampler", "sinc"),
        ("model_digest", "9"),
        ("max_seconds", 1),
    ],
)
def test_a_setting_that_changes_bytes_changes_bytes(setting: str, value: Any, tmp_path: Path, encoder: Encoder) -> None:
    source = write(tmp_path / "a.wav", channels(2, rate=44100), 44100)
    plain = made(tmp_path / "plain", source)
    other = made(tmp_path / "other", source, **{setting: value})
    assert pickle.dumps(plain) != pickle.dumps(other)
    if setting != "model_digest":
        assert not np.array_equal(plain[0]["embedding"], other[0]["embedding"])


def test_channels_that_cancel_each_other_are_told_in_pickle_and_ledger(tmp_path: Path, encoder: Encoder) -> None:
    value, facts = made(tmp_path, write(tmp_path / "a.wav", np.stack([voice(), -voice()], axis=1)))
    assert (facts["channel"], value["frontend"]["channel"]) == ("0", "0")


def test_a_first_channel_that_was_asked_for_is_nothing_to_tell(tmp_path: Path, encoder: Encoder) -> None:
    value, facts = made(tmp_path, write(tmp_path / "a.wav", channels(2)), channel="0")
    assert "channel" not in facts
    assert value["frontend"]["channel"] == "0"


def test_a_long_recording_is_embedded_in_parts(tmp_path: Path, encoder: Encoder) -> None:
    source = write(tmp_path / "a.wav", channels(1, 5.0))
    value, facts = made(tmp_path, source, max_seconds=2)
    assert (value["parts"], facts["parts"], facts["frames"]) == (3, 3, 3 * 165)
    assert encoder.shapes == [(1, 165, 80)] * 3
    rows = [fbank(part).std(axis=0) for part in np.array_split(read_samples(source), 3)]
    expected = np.mean([row / np.linalg.norm(row) for row in rows], axis=0)
    np.testing.assert_allclose(value["embedding"], expected, rtol=1e-4)
    assert np.linalg.norm(value["embedding"]) < 1


def read_samples(path: Path) -> NDArray[np.float32]:
    return sample.read_audio(path).samples


@given(n=st.integers(1, 200_000), max_seconds=st.floats(0.5, 10))
def test_parts_hold_the_whole_signal_and_none_is_too_long_or_much_shorter(n: int, max_seconds: float) -> None:
    signal = np.arange(1, n + 1, dtype=np.float32)
    parts = cut(signal, max_seconds)
    np.testing.assert_array_equal(np.concatenate(parts), signal)
    lengths = [len(part) for part in parts]
    assert max(lengths) <= max_seconds * 16000 + 1
    assert max(lengths) - min(lengths) <= 1
    assert len(parts) == 1 or max(lengths) * 2 > max_seconds * 16000


def test_silent_parts_are_left_out(tmp_path: Path, encoder: Encoder) -> None:
    samples = np.concatenate([voice(), np.zeros(32000, np.float32), voice()])
    value, _ = made(tmp_path, write(tmp_path / "a.wav", samples), max_seconds=2)
    assert value["parts"] == 2
    assert value["duration"] == 6


@pytest.mark.parametrize(("n_samples", "is_enough"), [(100, False), (1679, False), (1680, True)])
def test_a_recording_of_fewer_frames_than_asked_for_is_too_short(
    n_samples: int, is_enough: bool, tmp_path: Path, encoder: Encoder
) -> None:
    source = write(tmp_path / "a.wav", voice()[3000 : 3000 + n_samples])
    if is_enough:
        assert made(tmp_path, source)[1]["frames"] == 9
        return
    with pytest.raises(SampleError, match=r"too_short: a\.wav: .* fewer than min_frames \(9\)"):
        make_sample(task(tmp_path, source))
    assert not (tmp_path / "unfinished").exists()


@pytest.mark.parametrize("gain", [np.nan, np.inf, 0.0])
def test_an_embedding_that_means_nothing_is_a_failed_sample(gain: float, tmp_path: Path, encoder: Encoder) -> None:
    encoder.gain = np.float32(gain)
    with pytest.raises(SampleError, match=r"not_finite: a\.wav"):
        make_sample(task(tmp_path, write(tmp_path / "a.wav", channels(1))))
    assert not (tmp_path / "unfinished").exists()


def test_a_bad_recording_never_reaches_the_model(tmp_path: Path, encoder: Encoder) -> None:
    (tmp_path / "a.wav").write_bytes(b"no sound")
    with pytest.raises(SampleError, match="unreadable"):
        make_sample(task(tmp_path, tmp_path / "a.wav"))
    assert encoder.shapes == []


def test_a_recording_that_changes_while_it_is_read_is_not_believed(
    tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path / "a.wav", channels(1))
    read_audio = sample.read_audio

    def read_and_touch(path: Path, **options: Any) -> Any:
        audio = read_audio(path, **options)
        path.write_bytes(path.read_bytes() + b"\0")
        return audio

    monkeypatch.setattr(sample, "read_audio", read_and_touch)
    with pytest.raises(SampleError, match="source_changed"):
        make_sample(task(tmp_path, source))


def test_the_model_is_loaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[tuple[Any, ...]] = []

    def load(*arguments: Any) -> Encoder:
        loaded.append(arguments)
        return Encoder()

    monkeypatch.setattr(sample, "load_encoder", load)
    source = write(tmp_path / "a.wav", channels(1))
    for _ in range(3):
        make_sample(task(tmp_path, source))
    assert loaded == [(SETTINGS, "/m")]


def test_reading_and_finishing_apart_gives_the_same_file(tmp_path: Path, encoder: Encoder) -> None:
    """What a GPU job does: workers read, and their answers travel between processes."""
    job = task(tmp_path, write(tmp_path / "a.opus", channels(1, 5.0)), max_seconds=2)
    read: ReadAudio = pickle.loads(pickle.dumps(read_features(job)))
    embeddings = np.concatenate([encoder.embed(features[None]) for features in read.features])
    apart = finish_sample(job, read, embeddings, device="cuda")
    assert apart.facts["device"] == "cuda"
    assert make_sample(job).files == apart.files


@pytest.mark.parametrize(
    ("model", "window", "scale", "golden"),
    [("resnet34", "hamming", 32768, "hamming_int16"), ("campplus", "povey", 1, "povey_unit")],
)
def test_recordings_have_the_embeddings_of_wespeaker(
    model: str, window: str, scale: int, golden: str, tmp_path: Path
) -> None:
    """From the file on: decoding, features and model together."""
    found = inspect_model(str(GOLDEN / model), "native")
    settings = {"model": found.name, "model_digest": found.digest, "window": window, "scale": scale}
    with np.load(GOLDEN / "golden_embeddings.npz") as arrays:
        utterances, expected = arrays["utterances"], arrays[f"{model}/{golden}"]
    for number, utterance in enumerate(utterances):
        folder, name = str(utterance).split("/")
        source = GOLDEN / "audio" / name if folder == "librivox" else DEMO / folder / name
        job = replace(task(tmp_path / str(number), source, **settings), means={"model_dir": found.path})
        make_sample(job)
        embedding = read_embedding(job.folder / job.entry["files"][0])["embedding"]
        cosine = embedding @ expected[number] / np.linalg.norm(embedding) / np.linalg.norm(expected[number])
        assert 1 - cosine < 1e-5
