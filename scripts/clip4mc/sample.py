"""One sample: frames, tokens and sizes of one video-text pair. Runs in a worker process."""

import json
from functools import cache
from typing import Any

import numpy as np

from scripts.clip4mc.frame_rule import pick_frames
from scripts.clip4mc.size_rule import fit_sizes
from scripts.shared.clip_tokens import ClipTokenizer
from scripts.shared.safe_pickle import dumps
from scripts.shared.sample_task import MadeSample, SampleTask, make_files
from scripts.shared.video.frames import read_frames


def make_sample(task: SampleTask) -> MadeSample:
    """Make the three files of a sample in the task's folder; see `make_files`."""
    return make_files(task, sample_contents)


def sample_contents(task: SampleTask) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The content of a sample's files.

    Args:
        task: its settings are those of `stage.byte_settings`; its entry those of `pairs.read_pairs`, or of
            `metadata.MetadataList`, whose interval alone is then looked at.

    Returns:
        Content by file name: `video_input.pkl`, uint8 (num_frames, height, width, 3); `text_input.pkl`,
        {"tokens": int64 (77,)}; `size.json`, num_frames floats. And what the ledger keeps of the clip.

    Raises:
        SampleError: the clip cannot be decoded exactly, or the caption is no text.
    """
    settings = task.settings
    num_frames: int = settings["num_frames"]
    tokens = _tokenizer(task.means["tokenizer"]).encode(task.entry["caption"])
    decoded = read_frames(
        task.source,
        lambda n_frames: pick_frames(n_frames, num_frames),
        height=settings["frame_height"],
        width=settings["frame_width"],
        scaler=settings["scaler"],
        decoder="opencv" if settings["decoder"] == "opencv" else task.means.get("decoder", "cpu"),
        interval=tuple(task.entry["interval"]) if "interval" in task.entry else None,
    )
    frames = decoded.frames if settings["channel_order"] == "rgb" else decoded.frames[..., ::-1]
    sizes = fit_sizes(task.entry["size"], num_frames, settings["default_size"])
    contents = {
        "video_input.pkl": dumps(np.ascontiguousarray(frames)),
        "text_input.pkl": dumps({"tokens": tokens}),
        "size.json": json.dumps(sizes).encode(),
    }
    facts = {
        "decoder": decoded.decoder,
        "fallback": decoded.fallback,
        **decoded.source_facts(),
    }
    if why_cpu := decoded.why_cpu or task.means.get("why_cpu"):
        facts["why_cpu"] = why_cpu
    return contents, facts


@cache
def _tokenizer(option: str) -> ClipTokenizer:
    # Once a process: building it takes as long as many captions.
    return ClipTokenizer.from_option(option)
