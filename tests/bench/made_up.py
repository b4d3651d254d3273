"""Made-up CLIP4MC datasets of any size: real pairs, plans, ledgers, receipts and folders; tiny clips and samples.

python -m tests.bench.made_up CONFIG            finish the run that CONFIG describes, decoding nothing
python -m tests.bench.made_up CONFIG --whole    with samples of the true form and size
"""

import json
import os
import random
import sys
import time
from pathlib import Path

import numpy as np
import yaml

from scripts.clip4mc.index import write_index
from scripts.clip4mc.stage import SAMPLE_FILES, frames_stage
from scripts.shared import layout
from scripts.shared.config import load_config
from scripts.shared.fingerprints import SourceStat, digest_bytes
from scripts.shared.gate import check_summary
from scripts.shared.ledger import LedgerWriter
from scripts.shared.planning.plan_file import read_plan
from scripts.shared.planning.planner import plan_dataset
from scripts.shared.safe_pickle import dumps
from scripts.shared.sample_task import MadeSample
from scripts.shared.shard_job import ShardWork

_WORDS = ("walk", "dig", "chop", "tree", "cow", "stone", "house", "river", "night", "torch", "iron", "pick", "axe")
_CONTENT = dict.fromkeys(SAMPLE_FILES, b"made up")
_FACTS = {
    "decoder": "cpu",
    "fallback": None,
    "pts": list(range(0, 122880, 7680)),
    "time_base": "1/15360",
    "n_frames": 240,
    "codec": "h264",
    "size_px": [640, 360],
    "duration_s": 8.0,
}


def write_pairs(root: Path, n_clips: int) -> Path:
    """Write `n_clips` one-byte clips, their pairs, and a configuration that names them; returns the latter."""
    clips = root / "clips"
    clips.mkdir(parents=True)
    draw = random.Random(0)
    pairs = []
    for number in range(n_clips):
        name = f"v{number:07d}x{number % 977:03d}.mp4"
        (clips / name).write_bytes(b"x")
        pairs.append(
            {
                "vid": f"vid{number // 7:06d}_ab",
                "transcript clip": " ".join(draw.choices(_WORDS, k=16)),
                "size": [round(draw.random(), 4) for _ in range(16)],
                "clip_path": f"/data/clips/{name}",
            }
        )
    (root / "pairs.json").write_text(json.dumps(pairs))
    config = {
        "results_dir": str(root / "results"),
        "work_dir": str(root / "work"),
        # Without figures: there is nothing in such clips and samples to show.
        "clip4mc": {
            "figures": False,
            "datasets": {"big": {"pairs": str(root / "pairs.json"), "clips_dir": str(clips)}},
        },
    }
    path = root / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def whole_sample() -> dict[str, bytes]:
    """The files of a sample of the default form, 2 MB: noise, a caption's tokens, sizes."""
    frames = np.random.default_rng(0).integers(0, 256, (16, 160, 256, 3), dtype=np.uint8)
    tokens = np.zeros(77, np.int64)
    tokens[:18] = [49406, *range(320, 336), 49407]
    return dict(
        zip(SAMPLE_FILES, (dumps(frames), dumps({"tokens": tokens}), json.dumps([0.5] * 16).encode()), strict=True)
    )


def finish_run(config_path: Path, contents: dict[str, bytes]) -> None:
    """Bring a dataset to the state in which a real run leaves it, decoding nothing; all samples hold the same."""
    config = load_config(yaml.safe_load(config_path.read_text()), lambda _: str(config_path))
    stage = frames_stage(config, "big")
    plan = plan_dataset(stage, scratch=None)
    for shard, plan_path in plan.plans.items():
        _finish_shard(plan_path, layout.receipt_file(stage.stage_work_dir, shard), contents)
    files = {name: stage.dataset_dir / file for name, file in
             {"info": "dataset_info.json", "failures": "failures.csv", "summary": "summary.json"}.items()}  # fmt: skip
    write_index(plan.index_plan, **files)
    check_summary(files["summary"], stage.work_dir / "gate" / "passed.json", max_failed_fraction=0.05)


def _finish_shard(plan_path: Path, receipt: Path, contents: dict[str, bytes]) -> None:
    header, samples = read_plan(plan_path)
    dataset_dir = Path(header.dataset_dir)
    writer = LedgerWriter(layout.ledger_dir(dataset_dir, header.stage), header.shard, {"made": "up"})
    work = ShardWork(header, dataset_dir, plan_path)
    files = {name: (len(data), digest_bytes(data)) for name, data in contents.items()}
    folder = layout.unfinished_dir(dataset_dir, header.stage, header.shard)
    for sample in samples:
        (folder / sample.key).mkdir(parents=True)
        for name, data in contents.items():
            (folder / sample.key / name).write_bytes(data)
        work.publish(writer, sample, MadeSample(SourceStat(*sample.stat), files, _FACTS), folder / sample.key)
    writer.append({"rate": {"made": len(samples), "failed": 0, "seconds": 600.0, "at": time.time(), "workers": 8}})
    writer.close()
    os.rmdir(folder)
    work.write_receipt(receipt, samples)


if __name__ == "__main__":
    finish_run(Path(sys.argv[1]), whole_sample() if "--whole" in sys.argv else _CONTENT)
