"""Recordings that workers read become samples: in groups, while others are read, and each for itself."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from scripts.shared.errors import ConfigError, JobError, SampleError
from scripts.shared.sample_task import MadeSample, SampleTask
from scripts.speaker import gpu_embedding
from scripts.speaker.embedding_file import read_embedding
from scripts.speaker.encoders.encoder import DeviceMemoryError
from scripts.speaker.gpu_embedding import embed_in_groups
from scripts.speaker.sample import ReadAudio

SETTINGS = {
    "runtime": "native",
    "model": "means",
    "model_digest": "0" * 32,
    "window": "hamming",
    "scale": 32768,
    "channel": "mean",
    "resampler": "soxr",
    "min_frames": 9,
    "max_seconds": 0,
    "batch_seconds": 8.0,
    "audio_paths": "relative",
}
Answer = tuple[SampleTask, ReadAudio | SampleError]


class Encoder:
    """Means over time; refuses batches of more frames than it has room for, calls back before it computes."""

    name, dim, device = "means", 4, "cuda"

    def __init__(self, room: float = np.inf, before: Callable[[], None] = lambda: None) -> None:
        self.room, self.before = room, before
        self.shapes: list[tuple[int, ...]] = []

    def embed(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        self.before()
        self.shapes.append(batch.shape[:2])
        if batch.shape[0] * batch.shape[1] > self.room:
            raise DeviceMemoryError("out of memory")
        means: NDArray[np.float32] = batch.mean(axis=1)
        return means


@pytest.fixture
def recording(tmp_path: Path) -> Callable[..., Answer]:
    """Make what a worker gives for a recording with parts of these lengths."""

    def make(key: str, *lengths: int, **settings: Any) -> Answer:
        entry = {"source": f"{key}.wav", "files": [f"embeddings/{key}.pkl"]}
        means = {"device": "cuda"}
        task = SampleTask(
            key, entry, SETTINGS | settings, means, tmp_path / f"{key}.wav", tmp_path / "unfinished" / key
        )
        draw = np.random.default_rng(list(key.encode()))
        features = tuple(draw.standard_normal((n_frames, 4), dtype=np.float32) for n_frames in lengths)
        return task, ReadAudio((1, 2), features, 1.0, 16000, 1, "soundfile", "mean")  # type: ignore[arg-type]

    return make


def embed(answers: Iterator[Answer] | list[Answer], encoder: Encoder, **how: Any) -> dict[str, Any]:
    """What became of each sample, by key; none may end twice."""
    ended: dict[str, Any] = {}
    for task, result in embed_in_groups(iter(answers), lambda _: encoder, how.pop("stop", lambda: False), **how):
        assert task.key not in ended
        ended[task.key] = result
    return ended


def written(answer: Answer) -> Any:
    (path,) = answer[0].folder.rglob("*.pkl")
    return read_embedding(path)


def expected(answer: Answer) -> NDArray[np.float32]:
    assert isinstance(answer[1], ReadAudio)
    return np.stack([part.mean(axis=0) for part in answer[1].features])


def test_each_recording_gets_its_own_embedding(recording: Callable[..., Answer]) -> None:
    answers = [recording(f"r{number}", 50 + 10 * (number % 3)) for number in range(40)]
    encoder = Encoder()
    ended = embed(answers, encoder)
    assert sorted(ended) == sorted(task.key for task, _ in answers)
    for answer in answers:
        np.testing.assert_array_equal(written(answer)["embedding"], expected(answer)[0])
        made = ended[answer[0].key]
        assert isinstance(made, MadeSample)
        assert made.facts["device"] == "cuda"
        assert "batch_rows" not in made.facts
    assert set(encoder.shapes) == {(16, 50), (8, 60), (8, 70)}


def test_the_parts_of_a_recording_are_gathered_wherever_they_are_computed(recording: Callable[..., Answer]) -> None:
    answers = [recording("long", *(70, 69) * 5), recording("one", 69), recording("other", 70, 31)]
    ended = embed(answers, Encoder())
    assert {key: made.facts.get("parts") for key, made in ended.items()} == {"long": 10, "one": None, "other": 2}
    units = expected(answers[0]) / np.linalg.norm(expected(answers[0]), axis=1, keepdims=True)
    np.testing.assert_array_equal(written(answers[0])["embedding"], units.mean(axis=0))  # in order: sums round


def test_a_recording_that_was_not_read_fails_at_once(recording: Callable[..., Answer]) -> None:
    error = SampleError("unreadable", "no audio")
    waits, bad = recording("waits", 50), recording("bad", 50)[0]
    results = embed_in_groups(iter([waits, (bad, error)]), lambda _: Encoder(), lambda: False)
    assert next(results) == (bad, error)
    assert [task.key for task, _ in results] == ["waits"]


def test_where_nothing_is_read_no_model_is_loaded(recording: Callable[..., Answer]) -> None:
    bad = recording("bad", 50)[0]

    def load(_: Any) -> Any:
        raise AssertionError

    error = SampleError("unreadable", "no audio")
    assert list(embed_in_groups(iter([(bad, error)]), load, lambda: False)) == [(bad, error)]


def test_recordings_that_share_a_batch_too_large_are_all_made_and_say_so(recording: Callable[..., Answer]) -> None:
    answers = [recording(f"r{number}", 50) for number in range(11)] + [recording("short", 20)]
    encoder = Encoder(room=200)
    ended = embed(answers, encoder)
    for answer in answers:
        np.testing.assert_array_equal(written(answer)["embedding"], expected(answer)[0])
    assert {made.facts.get("batch_rows") for made in ended.values()} == {4, 8}
    assert ended["short"].facts["batch_rows"] == 8


def test_a_recording_too_long_for_the_memory_fails_and_the_others_are_made(recording: Callable[..., Answer]) -> None:
    answers = [recording("short", 50), recording("endless", 1000, 50, 1000), recording("good", 50)]
    ended = embed(answers, Encoder(room=999))
    failed = ended.pop("endless")
    assert (failed.error, failed.message[:33]) == ("out_of_memory", "endless.wav: 10 s need more memory"[:33])
    assert all(isinstance(made, MadeSample) for made in ended.values())
    assert len(ended) == 2


def test_an_embedding_that_is_not_finite_fails_alone(recording: Callable[..., Answer]) -> None:
    answers = [recording(f"r{number}", 50) for number in range(4)]
    assert isinstance(answers[2][1], ReadAudio)
    answers[2][1].features[0][7, 1] = np.nan
    ended = embed(answers, Encoder())
    assert [key for key, result in ended.items() if isinstance(result, SampleError)] == ["r2"]
    assert ended["r2"].error == "not_finite"


def test_the_next_are_read_while_the_model_computes(recording: Callable[..., Answer]) -> None:
    read_on = threading.Event()

    def answers() -> Iterator[Answer]:
        yield recording("first", 500)  # a batch of its own
        yield recording("second", 20)
        read_on.set()

    assert len(embed(answers(), Encoder(before=lambda: read_on.wait(20) or pytest.fail("waits for the model")))) == 2


def test_reading_waits_where_the_model_is_behind(recording: Callable[..., Answer]) -> None:
    taken, ahead = [0], []

    def compute_slowly() -> None:
        time.sleep(0.002)
        ahead.append(taken[0] - len(encoder.shapes))

    encoder = Encoder(before=compute_slowly)

    def answers() -> Iterator[Answer]:
        for number in range(60):
            taken[0] = number + 1
            yield recording(f"r{number}", 500)

    assert len(embed(answers(), encoder)) == 60
    assert max(ahead) <= gpu_embedding._MOST_GROUPS + 2


def test_a_job_that_is_to_end_makes_no_more_than_it_has_in_hand(recording: Callable[..., Answer]) -> None:
    asked = threading.Event()
    all_read = [recording(f"r{number:02}", 500 if number % 2 else 30) for number in range(20)]

    def answers() -> Iterator[Answer]:
        for number, answer in enumerate(all_read):
            if number == 7:
                asked.set()
            yield answer

    ended = embed(answers(), Encoder(), stop=asked.is_set)
    assert sorted(ended) == ["r01", "r03", "r05"]  # those of 30 frames waited for others
    made = sorted(path.stem for path in all_read[0][0].folder.parent.rglob("*.pkl"))
    assert made == sorted(ended)


def test_a_job_that_is_asked_while_it_empties_the_window_leaves_the_rest(recording: Callable[..., Answer]) -> None:
    encoder = Encoder()
    answers = [recording(f"r{number}", 40 + number) for number in range(30)]
    ended = embed(answers, encoder, stop=lambda: len(encoder.shapes) > 5)
    assert 5 < len(ended) <= 6 + gpu_embedding._MOST_GROUPS


@pytest.mark.parametrize("error", [ConfigError("no model"), JobError("the model changed")])
def test_a_model_that_does_not_load_ends_the_job_soon(error: Exception, recording: Callable[..., Answer]) -> None:
    def load(_: Any) -> Any:
        raise error

    def answers() -> Iterator[Answer]:
        for number in range(100_000):
            yield recording(str(number), 20 + number)
        pytest.fail("the job read on")

    with pytest.raises(type(error)):
        list(embed_in_groups(answers(), load, lambda: False))


def test_a_lost_device_ends_the_job_and_not_a_sample(recording: Callable[..., Answer]) -> None:
    with pytest.raises(JobError, match="computes no more on cuda: out of memory"):
        embed([recording("a", 500), recording("b", 30)], Encoder(room=0))


def test_no_thread_outlives_a_job_that_ends_early(recording: Callable[..., Answer]) -> None:
    before = threading.active_count()
    results = embed_in_groups(
        (recording(f"r{number}", 500) for number in range(50)), lambda _: Encoder(), lambda: False
    )
    next(results)
    assert threading.active_count() > before
    results.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
