"""Made-up collections of any size: tiny recordings, embeddings of the true form and size, and their index."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from scripts.shared.config import read_config
from scripts.shared.gate import check_summary
from scripts.shared.planning.plan_file import PlannedSample
from scripts.shared.planning.stage import Stage
from scripts.speaker.embedding_file import embedding_pickle
from scripts.speaker.index import write_index
from scripts.speaker.shard_arrays import write_part
from scripts.speaker.stage import embeddings_stage
from tests.bench.finished import finish_stage

NAME = "big"
A_FOLDER = 1_000  # recordings of one
_EMBEDDING = np.random.default_rng(0).standard_normal(256).astype(np.float32)
_FACTS = {"duration": 5.0, "sample_rate": 16000, "channels": 1, "decoder": "soundfile", "frames": 498, "device": "cpu"}
_FRONT_END = {"window": "hamming", "scale": 32768, "resampler": "soxr", "channel": "mean", "decoder": "soundfile"}


def write(root: Path, n: int) -> Path:
    """Write `n` one-byte recordings, 1,000 a folder, and a configuration that names them; returns the latter."""
    audio = root / "audio"
    for first in range(0, n, A_FOLDER):
        folder = audio / f"speaker_{first // A_FOLDER:05d}"
        folder.mkdir(parents=True)
        for number in range(first, min(first + A_FOLDER, n)):
            (folder / f"utterance_{number:07d}.wav").write_bytes(b"x")
    (root / "model").mkdir()
    (root / "model" / "model.onnx").write_bytes(b"made up: nothing here loads it")
    dataset = {"input_dir": str(audio), "model_dir": str(root / "model"), "figures": False}
    folders = {"results_dir": str(root / "results"), "work_dir": str(root / "work")}
    path = root / "config.yaml"
    path.write_text(yaml.safe_dump({**folders, "speaker": {"datasets": {NAME: dataset}}}))
    return path


def change_one(root: Path) -> None:
    """Touch one of the recordings that `write` wrote."""
    os.utime(next((root / "audio").rglob("*.wav")))


def finish_run(config_path: Path) -> None:
    """Bring a collection to the state in which a real run leaves it, with the same embedding for all."""
    stage = embeddings_stage(read_config(config_path), NAME)
    plan = finish_stage(stage, _content, write_part)
    index(stage, plan.index_plan)


def _content(sample: PlannedSample) -> tuple[dict[str, bytes], dict[str, Any]]:
    (name,) = sample.entry["files"]
    recording = sample.entry["source"]
    content = embedding_pickle(
        _EMBEDDING,
        audio_file=recording,
        relative_path=recording,
        duration=5.0,
        sample_rate=16000,
        model="made up:0",
        frontend=_FRONT_END,
    )
    return {name: content}, _FACTS


def index(stage: Stage, index_plan: Path) -> None:
    """Write the index of a finished collection and ask its gate, as their rules do."""
    results = stage.dataset_dir
    outputs = {
        name: results / file
        for name, file in {
            "embeddings": "embeddings.npy",
            "table": "embeddings.csv",
            "files": "files.csv",
            "failures": "failures.csv",
            "summary": "summary.json",
            "stats": "embeddings/extraction_stats.json",
            "failures_by_class": "figures/failures_by_class.png",
            "throughput": "figures/throughput.png",
        }.items()
    }
    write_index(index_plan, outputs=outputs, title=f"speaker {NAME}")
    check_summary(outputs["summary"], stage.work_dir / "gate" / "passed.json", max_failed_fraction=0.05)
