"""What a worker of the stage `vectors` does: some pictures, or a video, to vectors."""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scripts.cnclip.encoder import ImageTextEncoder
from scripts.search.database import IMAGE
from scripts.search.encoders import open_chosen
from scripts.search.encoders.choice import EncoderChoice
from scripts.search.reading import AssetFacts, Bytes, read_picture, read_video
from scripts.search.vectors_file import Vectors, vectors_npz
from scripts.shared.errors import JobError, SampleError
from scripts.shared.fingerprints import SourceStat
from scripts.shared.sample_task import MadeSample, SampleTask, make_files, read_at_rest, write_files

# A group has the time of all its pictures before a hung one is ended, so on the CPU, where more gain nothing, few.
_PICTURES_AT_ONCE = {"cpu": 8, "cuda": 128}


class _Read(NamedTuple):
    """A picture that was read.

    Attributes:
        source: the file as it was before it was opened.
        pixels: (3, S, S) uint8.
        facts: what is known of it.
    """

    source: SourceStat
    pixels: Bytes
    facts: AssetFacts


def group(means: Mapping[str, Any], tasks: Sequence[SampleTask]) -> list[list[SampleTask]]:
    """Put pictures together that go through the encoder at once; a video goes alone.

    Args:
        means: of the job, with `device`.
        tasks: of one shard.
    """
    pictures = [task for task in tasks if task.entry["kind"] == IMAGE]
    videos = [task for task in tasks if task.entry["kind"] != IMAGE]
    size = _PICTURES_AT_ONCE[means["device"]]
    parts = [pictures[first : first + size] for first in range(0, len(pictures), size)]
    return parts + [[task] for task in videos]


def encode_assets(tasks: list[SampleTask]) -> list[MadeSample | SampleError]:
    """Make the vectors of some assets and write their files to the tasks' folders; see `vectors_file`.

    The facts of a sample are those of `AssetFacts`, `n_vectors`, and of the encoder `identity`, `tokenizer`, `dim` and
    `device`.

    Args:
        tasks: of one shard, so of one encoder; as `group` puts them together.

    Returns:
        What became of each, in their order.

    Raises:
        ConfigError: the encoder is missing or damaged.
        JobError: a file cannot be written, or the device computes no more.
    """
    first = tasks[0]
    encoder = _encoder(json.dumps([first.settings, first.means], sort_keys=True))
    if first.entry["kind"] != IMAGE:
        return [_encode_video(encoder, task) for task in tasks]
    with ThreadPoolExecutor(first.means["decoders"]) as threads:
        read = list(threads.map(partial(_read_picture, encoder.image_size), tasks))
    good = [of.pixels for of in read if isinstance(of, _Read)]
    with device_errors(first.means["device"]):
        features = iter(encoder.encode_pixels(np.stack(good)) if good else ())
    return [
        of if isinstance(of, SampleError) else _write_picture(encoder, task, of, next(features))
        for task, of in zip(tasks, read, strict=True)
    ]


@cache
def _encoder(asked: str) -> ImageTextEncoder:
    # Once a process: loading takes as long as many pictures.
    settings, means = json.loads(asked)
    choice = EncoderChoice(settings["encoder"], means["model"], means["path"], settings["form"])
    return open_chosen(choice, device=means["device"])


def _read_picture(size: int, task: SampleTask) -> _Read | SampleError:
    read = partial(read_picture, task.source, size=size, min_size=task.settings["min_size"])
    try:
        source, (pixels, facts) = read_at_rest(task.source, read)
    except SampleError as error:
        return error
    return _Read(source, pixels, facts)


def _write_picture(
    encoder: ImageTextEncoder, task: SampleTask, read: _Read, vector: NDArray[np.float32]
) -> MadeSample | SampleError:
    try:
        content, facts = _contents(encoder, task, Vectors(vector[None], np.zeros(0)), read.facts)
    except SampleError as error:
        return error
    return write_files(task, read.source, content, facts)


def _encode_video(encoder: ImageTextEncoder, task: SampleTask) -> MadeSample | SampleError:
    def make(task: SampleTask) -> tuple[dict[str, bytes], dict[str, Any]]:
        facts, parts = read_video(
            task.source,
            size=encoder.image_size,
            min_size=task.settings["min_size"],
            interval=task.entry["frame_interval"],
        )
        features, times = [], []
        for frames in parts:
            with device_errors(task.means["device"]):
                features.append(encoder.encode_pixels(frames.pixels))
            times.append(frames.times)
        return _contents(encoder, task, Vectors(np.concatenate(features), np.concatenate(times)), facts)

    try:
        return make_files(task, make)
    except SampleError as error:
        return error


def _contents(
    encoder: ImageTextEncoder, task: SampleTask, vectors: Vectors, facts: AssetFacts
) -> tuple[dict[str, bytes], dict[str, Any]]:
    if not np.isfinite(vectors.features).all():
        raise SampleError("not_finite", f"{task.source.name}: the model gives NaN or infinity; was its training well?")
    [name] = task.entry["files"]
    said = {
        **facts._asdict(),
        "n_vectors": len(vectors.features),
        "identity": encoder.identity,
        "tokenizer": encoder.tokenizer_identity,
        "dim": encoder.dim,
        "device": task.means["device"],
    }
    return {name: vectors_npz(vectors)}, said


@contextmanager
def device_errors(device: str) -> Iterator[None]:
    """On a GPU what torch refuses is no fault of a picture.

    Raises:
        JobError: the device computes no more.
    """
    try:
        yield
    except RuntimeError as error:
        if device == "cpu":
            raise
        said = next(iter(str(error).splitlines()), type(error).__name__)
        raise JobError(
            f"the model computes no more on the GPU: {said}; run again when the device is well and has free memory: "
            "what is finished is kept"
        ) from error
