"""One sample: the embedding of one recording. Reading, computing and writing can each be had alone."""

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.shared.audio.reading import RATE, SILENCE, Audio, read_audio
from scripts.shared.errors import SampleError
from scripts.shared.fingerprints import SourceStat
from scripts.shared.sample_task import MadeSample, SampleTask, read_at_rest, write_files
from scripts.speaker.batches import Batches
from scripts.speaker.embedding_file import embedding_pickle
from scripts.speaker.encoders.choice import load_encoder
from scripts.speaker.front_end.choice import FrontEnd, front_end


@dataclass(frozen=True)
class ReadAudio:
    """A recording as the model takes it.

    Attributes:
        source: the file as it was before it was opened.
        features: float32 (T, F) of each part, in order; one part unless `max_seconds` cuts.
        duration: of the recording, in seconds.
        sample_rate: of the recording, in Hz.
        channels: in the recording.
        decoder: "soundfile" or "pyav".
        channel: "mean" of the channels, or "0" for the first alone.
    """

    source: SourceStat
    features: tuple[NDArray[np.float32], ...]
    duration: float
    sample_rate: int
    channels: int
    decoder: str
    channel: str


def make_sample(task: SampleTask) -> MadeSample:
    """Read a recording, embed it on the CPU and write its pickle to the task's folder.

    Raises:
        SampleError: see `read_features`, `Batches.embed` and `finish_sample`.
        JobError: the file cannot be written, or the model is not the one of the plan.
    """
    read = read_features(task)
    model = _model(json.dumps(task.settings, sort_keys=True), task.means["model_dir"])
    embeddings = np.concatenate([model.embed(part[None], 1)[0] for part in read.features])
    return finish_sample(task, read, embeddings)


@cache
def _model(settings: str, model_dir: str) -> Batches:
    # Once a process: loading takes as long as many recordings.
    return Batches(load_encoder(json.loads(settings), model_dir))


def read_features(task: SampleTask) -> ReadAudio:
    """Read a recording and compute its features; light, and what it gives can be sent between processes.

    Args:
        task: its settings are those of the stage; its source is the recording.

    Raises:
        SampleError: what `read_audio` raises; `too_short` for fewer than `min_frames` frames; `source_changed`.
    """
    settings = task.settings
    compute = front_end(settings)

    def read() -> tuple[Audio, tuple[NDArray[np.float32], ...]]:
        audio = read_audio(task.source, channel=settings["channel"], resampler=settings["resampler"])
        parts = cut(audio.samples, settings["max_seconds"])
        return audio, tuple(_features(task.source, part, compute, settings["min_frames"]) for part in parts)

    source, (audio, features) = read_at_rest(task.source, read)
    return ReadAudio(source, features, audio.duration, audio.sample_rate, audio.channels, audio.decoder, audio.channel)


def cut(samples: NDArray[np.float32], max_seconds: float) -> list[NDArray[np.float32]]:
    """Cut a signal into the fewest parts of nearly one length that `max_seconds` allows; 0 leaves it whole.

    Parts without a sound are left out: their embeddings would be finite and mean nothing.

    Args:
        samples: float32 (n,) at 16 kHz, not all silent.
        max_seconds: longest part.
    """
    n_parts = -(-len(samples) // max(round(max_seconds * RATE), 1)) if max_seconds else 1
    if n_parts <= 1:
        return [samples]
    parts = np.array_split(samples, n_parts)
    return [part for part in parts if np.abs(part).max() >= SILENCE] or parts


def _features(source: Path, samples: NDArray[np.float32], compute: FrontEnd, min_frames: int) -> NDArray[np.float32]:
    features = compute(samples)
    if len(features) < min_frames:
        raise SampleError(
            "too_short",
            f"{source.name}: {len(samples) / RATE:.3f} s give {len(features)} frames, fewer than min_frames "
            f"({min_frames}); join it to another recording or leave it out",
        )
    return features


def finish_sample(
    task: SampleTask, read: ReadAudio, embeddings: NDArray[np.float32], *, device: str = "cpu"
) -> MadeSample:
    """Write the pickle of a recording to the task's folder.

    Args:
        task: the sample.
        read: what `read_features` gave for it.
        embeddings: (n_parts, D) float32, a row for each of `read.features`. The recording's embedding is the row, or
            the mean of the rows at unit length where there are several.
        device: "cpu" or "cuda", where they were computed.

    Raises:
        SampleError: `not_finite`: the model gives NaN, infinity or only zeros.
        JobError: the file cannot be written.
    """
    if not np.isfinite(embeddings).all() or not embeddings.any():
        raise SampleError(
            "not_finite",
            f"{task.source.name}: the model gives NaN, infinity or only zeros for it; leave it out if others work",
        )
    settings, n_parts = task.settings, len(embeddings)
    compute = front_end(settings)
    relative_path = task.entry["source"]
    absolute = settings["audio_paths"] == "absolute"
    content = embedding_pickle(
        embeddings[0] if n_parts == 1 else _mean_direction(embeddings),
        audio_file=os.path.abspath(task.source) if absolute else relative_path,
        relative_path=relative_path,
        duration=read.duration,
        sample_rate=read.sample_rate,
        model=f"{settings['model']}:{settings['model_digest']}",
        frontend={
            "window": compute.window,
            "scale": compute.scale,
            "resampler": settings["resampler"],
            "channel": read.channel,
            "decoder": read.decoder,
        },
        parts=n_parts,
    )
    facts: dict[str, Any] = {
        "duration": read.duration,
        "sample_rate": read.sample_rate,
        "channels": read.channels,
        "decoder": read.decoder,
        "frames": sum(map(len, read.features)),
        "device": device,
    }
    if n_parts > 1:
        facts["parts"] = n_parts
    if read.channel != settings["channel"]:
        facts["channel"] = read.channel  # the channels cancel each other
    (name,) = task.entry["files"]
    return write_files(task, read.source, {name: content}, facts)


def _mean_direction(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of the rows at unit length, (D,); a row of zeros has no direction and adds nothing."""
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    mean: NDArray[np.float32] = (embeddings / np.where(lengths > 0, lengths, np.float32(1))).mean(axis=0)
    return mean
