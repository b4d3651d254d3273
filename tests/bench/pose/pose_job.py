"""A list of captions, its three stages and their jobs, as benches run them."""

import itertools
import json
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from scripts.pose.groups import group
from scripts.pose.stage import pose_stages
from scripts.shared import layout
from scripts.shared.job_gpu import hold_torch_device
from scripts.shared.planning.planner import DatasetPlan, plan_dataset
from scripts.shared.planning.stage import Stage
from scripts.shared.shard_job import run_shard

NAME = "many"
FUNCTIONS = {
    "text": "scripts.pose.text.sample:make_sample",
    "generate": "scripts.pose.batches:make_poses",
    "render": "scripts.pose.figures.sample_picture:make_picture",
}
MADE_UP = {
    stage: f"tests.bench.pose.made_up:make_{what}"
    for stage, what in (("text", "text"), ("generate", "pose"), ("render", "picture"))
}
_WHERE = ("", " in the rain", " on the beach", " at home")
_WHO = ("person", "man", "woman", "child", "dancer", "boxer", "gymnast", "figure", "runner", "skater")
_DOES = ("walks", "runs", "jumps", "crawls", "turns", "waves", "kicks", "punches", "kneels", "bows")
_HOW = ("slowly", "fast", "twice", "happily", "sideways", "backwards", "again", "carefully", "boldly", "in a circle")
_ARMS = ("arms raised", "arms crossed", "hands on the hips", "one hand up", "arms swinging", "arms stretched out")
_THEN = ("stops", "sits down", "looks up", "falls", "turns left", "turns right", "bends over", "stands on one leg")


def captions(n: int) -> list[str]:
    """Different captions, at most 192,000."""
    words = itertools.product(_WHERE, _DOES, _ARMS, _HOW, _THEN, _WHO)
    return [
        f"A {who} {does} {how}{where} with {arms}, then {then}"
        for where, does, arms, how, then, who in itertools.islice(words, n)
    ]


def write_config(folder: Path, n: int, **options: Any) -> Path:
    """Write a list of `n` captions, and a configuration that names it; returns the latter.

    Args:
        folder: for them, and for what is made of them.
        n: captions.
        options: of the dataset.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "captions.txt").write_text("".join(f"{caption}\n" for caption in captions(n)), encoding="utf-8")
    dataset = {"model": "sit", "figures": False, "captions": str(folder / "captions.txt"), **options}
    folders = {"results_dir": str(folder / "results"), "work_dir": str(folder / "work")}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({**folders, "pose": {"datasets": {NAME: dataset}}}), encoding="utf-8")
    return path


def run_stages(
    config: Mapping[str, Any], functions: Mapping[str, str], *, workers: int, n_gpus: int = 0
) -> tuple[dict[str, float], DatasetPlan]:
    """Run the jobs of a new dataset, one after another.

    Args:
        config: the whole configuration.
        functions: the workers' function by stage, those of `FUNCTIONS` or others.
        workers: processes of a job.
        n_gpus: 0 or 1.

    Returns:
        Wall seconds of the jobs by stage, and the plan of the last stage.
    """
    seconds = {}
    for stage in pose_stages(config, NAME):
        plan = plan_dataset(stage, scratch=None)
        started = time.monotonic()
        for shard, path in plan.plans.items():
            receipt = layout.receipt_file(stage.stage_work_dir, shard)
            _run_job(stage, path, receipt, functions[stage.name], workers=workers, n_gpus=n_gpus)
            said = json.loads(receipt.read_text())
            assert said["ok"], said
            assert not said["failed"], said
        seconds[stage.name] = time.monotonic() - started
    return seconds, plan


def _run_job(stage: Stage, plan: Path, receipt: Path, function: str, *, workers: int, n_gpus: int) -> None:
    if function == FUNCTIONS["generate"]:
        equip = partial(hold_torch_device, n_gpus=n_gpus, verb="makes poses")
        run_shard(plan, receipt, function=function, versions={}, workers=workers, equip=equip, group=group)
    else:
        run_shard(plan, receipt, function=function, versions={}, workers=workers)
