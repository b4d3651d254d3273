"""A job that embeds, as benches and the checks of a GPU run it: recordings, a model of full size, a shard.

python -m tests.bench.speaker.embedding_job ROOT RECORDINGS MODEL WORKERS N_GPUS OPTIONS    one job; options as JSON
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from scripts.shared import layout
from scripts.shared.config import load_config
from scripts.shared.planning.planner import plan_dataset
from scripts.shared.planning.stage import Stage
from scripts.shared.shard_job import run_shard
from scripts.speaker.gpu_job import GpuJob
from scripts.speaker.stage import embeddings_stage

ROOT = Path(__file__).parents[3]
SPEECH = ROOT / "tests" / "data" / "demo" / "speaker" / "audio"
RATE = 16000
SECONDS = 5.0
# Of full size, as WeSpeaker publishes them.
MODELS: dict[str, dict[str, Any]] = {
    "ResNet34": {"feat_dim": 80, "embed_dim": 256, "pooling_func": "TSTP", "two_emb_layer": False},
    "SimAM_ResNet34_ASP": {"embed_dim": 256, "acoustic_dim": 80},
}


def write_model(folder: Path, model: str) -> Path:
    """Write a model of full size with random weights, in WeSpeaker's layout."""
    import torch

    from scripts.speaker.nets.catalogue import NETS

    torch.manual_seed(0)
    width = {"m_channels": 32} if model == "ResNet34" else {}  # config.yaml has no name for it
    net = NETS[model](**MODELS[model], **width)
    folder.mkdir(parents=True)
    torch.save(net.state_dict(), folder / "avg_model.pt")
    (folder / "config.yaml").write_text(yaml.safe_dump({"model": model, "model_args": MODELS[model]}))
    return folder


def speech() -> NDArray[np.float32]:
    """All demo recordings, one after the other, at 16 kHz."""
    import soundfile
    import soxr

    parts = []
    for path in sorted(SPEECH.rglob("*.flac")):
        samples, rate = soundfile.read(path, dtype="float32")
        parts.append(soxr.resample(samples, rate, RATE))
    return np.concatenate(parts)


def write_recordings(folder: Path, n: int, *, suffix: str, seconds: float = SECONDS) -> Path:
    """Write `n` recordings of speech at 16 kHz, 16 bit, each from another place."""
    import soundfile

    folder.mkdir(parents=True)
    samples, length = speech(), int(seconds * RATE)
    starts = np.random.default_rng(0).integers(0, len(samples) - length, n)
    for number, start in enumerate(starts):
        soundfile.write(folder / f"{number:06d}{suffix}", samples[start : start + length], RATE, subtype="PCM_16")
    return folder


def stage_of(root: Path, recordings: Path, model_dir: Path, **options: Any) -> Stage:
    """The stage that embeds these recordings in one shard, with its results below `root`."""
    raw = {
        "results_dir": str(root / "results"),
        "work_dir": str(root / "work"),
        "speaker": {"model_dir": str(model_dir), **options, "datasets": {"d": {"input_dir": str(recordings)}}},
    }
    return embeddings_stage(load_config(raw, lambda _: "bench"), "d")


def embed_all(stage: Stage, *, workers: int, n_gpus: int = 0) -> float:
    """Embed all recordings of a new stage; wall seconds from the job's start to its receipt."""
    ((shard, plan),) = plan_dataset(stage, scratch=None).plans.items()
    receipt = layout.receipt_file(stage.stage_work_dir, shard)
    job = GpuJob(n_gpus=n_gpus)
    started = time.monotonic()
    run_shard(
        plan,
        receipt,
        function="scripts.speaker.gpu_embedding:start_sample",
        versions={},
        workers=workers,
        equip=job.equip,
        combine=job.combine,
    )
    wall_s = time.monotonic() - started
    said = json.loads(receipt.read_text())
    assert said["ok"], said
    assert not said["failed"], said
    return wall_s


def run_jobs(
    recordings: Sequence[Path], model_dir: Path, root: Path, *, workers: int, n_gpus: int = 0, **options: Any
) -> float:
    """Embed folders at once, a job in a process of its own for each; wall seconds from start to end."""
    started = time.monotonic()
    command = [sys.executable, "-m", "tests.bench.speaker.embedding_job"]
    jobs = []
    for number, folder in enumerate(recordings):
        place = tempfile.mkdtemp(dir=root, prefix=f"job{number}-")
        arguments = [place, str(folder), str(model_dir), str(workers), str(n_gpus), json.dumps(options)]
        jobs.append(subprocess.Popen([*command, *arguments], cwd=ROOT))
    codes = [job.wait() for job in jobs]
    assert not any(codes), codes
    return time.monotonic() - started


if __name__ == "__main__":
    root, recordings, model_dir, workers, n_gpus, options = sys.argv[1:]
    stage = stage_of(Path(root), Path(recordings), Path(model_dir), **json.loads(options))
    embed_all(stage, workers=int(workers), n_gpus=int(n_gpus))
