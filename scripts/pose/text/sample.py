"""One sample of the stage `text`: the vector of one caption."""

import json
from functools import cache

import numpy as np

from scripts.pose.pose_files import array_npy
from scripts.pose.text.choice import load_text_encoder
from scripts.pose.text.encoder import TextEncoder
from scripts.shared.errors import SampleError
from scripts.shared.fingerprints import SourceStat
from scripts.shared.sample_task import MadeSample, SampleTask, write_files

_NO_SOURCE = SourceStat(0, 0)  # of a sample without a source file, as the planner has it


def make_sample(task: SampleTask) -> MadeSample:
    """Encode a caption on the CPU, with exactly its own tokens, and write its vector, (D,) float32.

    The facts say how many tokens were read, and whether the caption has more than the encoder takes.

    Raises:
        SampleError: `not_finite`: the encoder gives NaN or infinity.
        ConfigError: see `load_text_encoder`.
        JobError: see `load_text_encoder`; or the file cannot be written.
    """
    encoder = _encoder(json.dumps(task.settings, sort_keys=True), task.means["clip"])
    caption = task.entry["caption"]
    tokens = encoder.tokenize(caption)
    vector = encoder.encode_tokens(tokens)
    if not np.isfinite(vector).all():
        raise SampleError(
            "not_finite", f"{caption[:60]!r}: the text encoder gives NaN or infinity; are its weights whole?"
        )
    (name,) = task.entry["files"]
    facts = {"tokens": len(tokens.ids), "cut": tokens.cut}
    return write_files(task, _NO_SOURCE, {name: array_npy(vector)}, facts)


@cache
def _encoder(settings: str, clip: str) -> TextEncoder:
    # Once a process: loading takes as long as some hundred captions.
    return load_text_encoder(json.loads(settings), clip)
