"""Made-up samples of the three stages, of the true form and size: what workers do that compute nothing."""

import numpy as np

from scripts.pose.pose_files import array_npy, pose_json
from scripts.pose.sampling.noise import caption_noise
from scripts.pose.skeleton import SKELETONS
from scripts.shared.fingerprints import SourceStat
from scripts.shared.sample_task import MadeSample, SampleTask, make_files, write_files

TEXT = 512  # numbers of a vector, as CLIP ViT-B/32 gives them
_POSE = np.linspace(0, 1, 66, dtype=np.float32).reshape(22, 3)
_PICTURE = bytes(40_000)


def make_text(task: SampleTask) -> MadeSample:
    """Noise of the caption's own for its vector."""
    caption, (name,) = task.entry["caption"], task.entry["files"]
    vector = caption_noise(0, caption, 0, 1, TEXT, ddpm=False).start[0].numpy()
    return write_files(task, SourceStat(0, 0), {name: array_npy(vector)}, {"tokens": 9, "cut": False})


def make_pose(task: SampleTask) -> MadeSample:
    """The same pose for all."""
    npy, json = task.entry["files"]
    contents = {npy: array_npy(_POSE), json: pose_json(_POSE, task.entry["caption"], 8, SKELETONS["t2m"])}
    return make_files(task, lambda _: (contents, {"frames": 16, "frame": 8, "device": "cpu"}))


def make_picture(task: SampleTask) -> MadeSample:
    """No picture, but as many bytes."""
    return make_files(task, lambda task: (dict.fromkeys(task.entry["files"], _PICTURE), {}))
