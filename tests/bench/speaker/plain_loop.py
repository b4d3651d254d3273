"""Our reading and our model in a plain loop, or the model alone: what a job's own work is measured against.

python -m tests.bench.speaker.plain_loop loop MODEL.onnx RECORDINGS    read, embed, write; one after the other
python -m tests.bench.speaker.plain_loop model MODEL.onnx RECORDINGS   embed features that are ready

Prints the seconds of each recording but the first, in CPU time of the process.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scripts.shared.audio.reading import read_audio
from scripts.speaker.encoders.onnx import OnnxEncoder
from scripts.speaker.front_end.choice import front_end

FRONT_END = front_end({"runtime": "onnx", "window": "hamming", "scale": 32768})


def features(path: Path) -> NDArray[np.float32]:
    return FRONT_END(read_audio(path, channel="mean", resampler="soxr").samples)


def cpu_s(work: Callable[[], object]) -> float:
    """CPU seconds of it."""
    before = time.process_time()
    work()
    return time.process_time() - before


def main(way: str, model: str, folder: str) -> None:
    encoder = OnnxEncoder(model, name="model")
    paths = sorted(Path(folder).iterdir())
    with tempfile.TemporaryDirectory() as out:

        def make(path: Path) -> None:
            np.save(Path(out, path.stem), encoder.embed(features(path)[None])[0])

        if way == "loop":
            seconds = [cpu_s(partial(make, path)) for path in paths]
        else:
            ready = [features(path)[None] for path in paths]
            seconds = [cpu_s(partial(encoder.embed, feats)) for feats in ready]
        print(json.dumps(seconds[1:]))


if __name__ == "__main__":
    main(*sys.argv[1:])
