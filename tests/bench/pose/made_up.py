"""Made-up samples of the three stages, of the true form and size: by workers that compute nothing, or without any."""

from pathlib import Path
from typing import Any

import numpy as np

from scripts.pose.index import write_index
from scripts.pose.model_choice import choose_model
from scripts.pose.pose_files import array_npy, pose_json
from scripts.pose.skeleton import SKELETONS
from scripts.pose.stage import pose_stages
from scripts.shared.config import read_config
from scripts.shared.fingerprints import SourceStat
from scripts.shared.gate import check_summary
from scripts.shared.planning.plan_file import PlannedSample
from scripts.shared.planning.stage import Stage
from scripts.shared.sample_task import MadeSample, SampleTask, make_files, write_files
from tests.bench.finished import finish_stage
from tests.bench.pose.pose_job import NAME, write_config

TEXT = 512  # numbers of a vector, as CLIP ViT-B/32 gives them
_POSE = np.linspace(0, 1, 66, dtype=np.float32).reshape(22, 3)
_PICTURE = bytes(40_000)
_SMALL_PICTURE = b"no picture: 100,000 of true size would fill a disk"
_VECTOR = array_npy(np.linspace(0, 1, TEXT, dtype=np.float32))


def make_text(task: SampleTask) -> MadeSample:
    """Noise of the caption's own for its vector."""
    from scripts.pose.sampling.noise import caption_noise  # here: with torch

    caption, (name,) = task.entry["caption"], task.entry["files"]
    vector = caption_noise(0, caption, 0, 1, TEXT, ddpm=False).start[0].numpy()
    return write_files(task, SourceStat(0, 0), {name: array_npy(vector)}, {"tokens": 9, "cut": False})


def make_pose(task: SampleTask) -> MadeSample:
    """The same pose for all."""
    return make_files(task, lambda task: _pose(task.entry))


def make_picture(task: SampleTask) -> MadeSample:
    """No picture, but as many bytes."""
    return make_files(task, lambda task: (dict.fromkeys(task.entry["files"], _PICTURE), {}))


def _pose(entry: dict[str, Any]) -> tuple[dict[str, bytes], dict[str, Any]]:
    npy, json = entry["files"]
    contents = {npy: array_npy(_POSE), json: pose_json(_POSE, entry["caption"], 8, SKELETONS["t2m"])}
    return contents, {"frames": 16, "frame": 8, "device": "cpu"}


def _text_of_all(sample: PlannedSample) -> tuple[dict[str, bytes], dict[str, Any]]:
    return dict.fromkeys(sample.entry["files"], _VECTOR), {"tokens": 9, "cut": False}


_CONTENTS = {
    "text": _text_of_all,
    "generate": lambda sample: _pose(sample.entry),
    "render": lambda sample: (dict.fromkeys(sample.entry["files"], _SMALL_PICTURE), {}),
}


def write(root: Path, n: int) -> Path:
    """Write a list, small checkpoints and a small text tower; returns the configuration that names them."""
    from tests.pose_models import write_checkpoints  # here: with torch
    from tests.pose_place import write_clip

    return write_config(root, n, checkpoints=str(write_checkpoints(root)), clip=str(write_clip(root / "clip")))


def change_one(root: Path) -> None:
    """Put one more caption into the list."""
    with (root / "captions.txt").open("a", encoding="utf-8") as file:
        file.write("A person who was forgotten waves\n")


def finish_run(config_path: Path) -> None:
    """Bring a new dataset to the state in which a real run leaves it, with made-up samples."""
    config = read_config(config_path)
    model = choose_model(config, NAME)
    if model.official is not None:
        from scripts.pose.model_files.conversion import convert  # here: with torch
        from tests.pose_models import SMALL_HEADS

        convert(model.official, model.path, heads=SMALL_HEADS)
    for stage in pose_stages(config, NAME):
        plan = finish_stage(stage, _CONTENTS[stage.name])
    index(stage, plan.index_plan)


def index(last: Stage, index_plan: Path) -> None:
    """Write the index of a finished dataset and ask its gate, as their rules do.

    Args:
        last: its last stage.
        index_plan: the index plan.
    """
    results = last.dataset_dir
    outputs = {name: results / f"{name}.{suffix}" for name, suffix in
               (("index", "csv"), ("failures", "csv"), ("summary", "json"))}  # fmt: skip
    outputs |= {name: results / "figures" / f"{name}.png" for name in ("failures_by_class", "throughput")}
    write_index(index_plan, outputs=outputs, title=f"pose {NAME}")
    check_summary(outputs["summary"], last.work_dir / "gate" / "passed.json", max_failed_fraction=0.05)
