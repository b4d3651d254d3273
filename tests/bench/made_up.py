"""Made-up CLIP4MC datasets of any size: real pairs, plans, ledgers, receipts and folders; tiny clips and samples.

python -m tests.bench.made_up CONFIG            finish the run that CONFIG describes, decoding nothing
python -m tests.bench.made_up CONFIG --whole    with samples of the true form and size
"""

import json
import os
import random
import sys
from pathlib import Path

import numpy as np
import yaml

from scripts.clip4mc.index import write_index
from scripts.clip4mc.stage import SAMPLE_FILES, frames_stage
from scripts.shared.config import read_config
from scripts.shared.gate import check_summary
from scripts.shared.planning.stage import Stage
from scripts.shared.safe_pickle import dumps
from tests.bench.finished import finish_stage

NAME = "big"
_WORDS = ("walk", "dig", "chop", "tree", "cow", "stone", "house", "river", "night", "torch", "iron", "pick", "axe")
CONTENT = dict.fromkeys(SAMPLE_FILES, b"made up")
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


def write(root: Path, n_clips: int) -> Path:
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
            "datasets": {NAME: {"pairs": str(root / "pairs.json"), "clips_dir": str(clips)}},
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


def change_one(root: Path) -> None:
    """Touch one of the clips that `write` wrote."""
    os.utime(next((root / "clips").iterdir()))


def finish_run(config_path: Path, contents: dict[str, bytes] = CONTENT) -> None:
    """Bring a dataset to the state in which a real run leaves it, decoding nothing; all samples hold the same."""
    stage = frames_stage(read_config(config_path), NAME)
    plan = finish_stage(stage, lambda _: (contents, _FACTS))
    index(stage, plan.index_plan)


def index(stage: Stage, index_plan: Path) -> None:
    """Write the index of a finished dataset and ask its gate, as their rules do."""
    files = {name: stage.dataset_dir / file for name, file in
             {"info": "dataset_info.json", "failures": "failures.csv", "summary": "summary.json"}.items()}  # fmt: skip
    write_index(index_plan, **files)
    check_summary(files["summary"], stage.work_dir / "gate" / "passed.json", max_failed_fraction=0.05)


if __name__ == "__main__":
    finish_run(Path(sys.argv[1]), whole_sample() if "--whole" in sys.argv else CONTENT)
