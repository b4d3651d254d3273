"""The way of a GPU on the reference models, with the CPU in its place: bytes, and whole jobs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from scripts.shared import layout
from scripts.shared.config import load_config
from scripts.shared.ledger import read_shard
from scripts.shared.planning.planner import plan_dataset
from scripts.shared.planning.stage import Stage
from scripts.shared.sample_task import SampleTask
from scripts.shared.shard_job import run_shard
from scripts.speaker.embedding_file import read_embedding
from scripts.speaker.encoders.choice import load_encoder
from scripts.speaker.encoders.encoder import MEL_BANDS
from scripts.speaker.encoders.model_folder import inspect_model
from scripts.speaker.gpu_embedding import embed_in_groups
from scripts.speaker.gpu_job import GpuJob
from scripts.speaker.sample import ReadAudio
from scripts.speaker.stage import embeddings_stage
from tests.snakemake_run import ROOT
from tests.unit.shared.conftest import release as planner_release

MODELS = ROOT / "tests" / "data" / "golden" / "wespeaker"
FAMILIES = ("resnet34", "resnet34_two_emb", "simam_resnet34_asp", "ecapa_tdnn", "campplus", "eres2net")
SPEECH = ROOT / "tests" / "data" / "demo" / "speaker" / "audio"
Answer = tuple[SampleTask, ReadAudio]


def settings(family: str) -> dict[str, Any]:
    model = inspect_model(str(MODELS / family), "native")
    dataset = {"batch_seconds": 4.0, "precision": "float32", "audio_paths": "relative", "channel": "mean"}
    front_end = {"window": "hamming", "scale": 32768, "resampler": "soxr"}
    return dataset | front_end | {"runtime": "native", "model": model.name, "model_digest": model.digest}


def answers(tmp_path: Path, family: str) -> list[Answer]:
    """What workers would read: recordings of two lengths, mixed."""
    # Multiples of 16 frames: of others, the batch norm of a CPU rounds the last frames by their place in the batch.
    draw = np.random.default_rng(0)
    made = []
    for number in range(13):
        features = 3 * draw.standard_normal(((48, 80)[number % 2], MEL_BANDS), dtype=np.float32)
        key = f"r{number:02}"
        entry = {"source": f"{key}.wav", "files": [f"{key}.pkl"]}
        task = SampleTask(key, entry, settings(family), {}, tmp_path / f"{key}.wav", tmp_path)
        made.append((task, ReadAudio((1, 2), (features,), 1.0, 16000, 1, "soundfile", "mean")))  # type: ignore[arg-type]
    return made


def pickles(family: str, given: list[Answer]) -> dict[str, bytes]:
    """The bytes that are made of these in one job."""

    def load(of: dict[str, Any]) -> Any:
        return load_encoder(of, str(MODELS / family))

    made = {}
    for task, _ in embed_in_groups(iter(given), load, lambda: False):
        path = task.folder / task.entry["files"][0]
        made[task.key] = path.read_bytes()
        path.unlink()
    return made


@pytest.mark.parametrize("family", FAMILIES)
def test_the_bytes_depend_neither_on_the_company_nor_on_the_order(family: str, tmp_path: Path) -> None:
    given = answers(tmp_path, family)
    whole = pickles(family, given)
    assert len(whole) == len(given)
    assert pickles(family, given[::-1]) == whole
    assert pickles(family, given[:5]) | pickles(family, given[5:6]) | pickles(family, given[6:]) == whole


@contextmanager
def a_gpu(means: dict[str, Any], _: Any) -> Iterator[dict[str, Any]]:
    """As far as workers know."""
    yield means | {"device": "cuda"}


def on_the_cpu(means: dict[str, Any], given: Any) -> Any:
    return embed_in_groups(given, lambda of: load_encoder(of, means["model_dir"]), lambda: False)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve recordings of two lengths, one of noise too short, and one that is none."""
    folder = tmp_path_factory.mktemp("recordings")
    for number, path in enumerate(sorted(SPEECH.rglob("*.flac"))[::5][:12]):
        samples, rate = soundfile.read(path)
        seconds = (1.0, 1.5)[number % 2]
        (folder / f"set{number % 3}").mkdir(exist_ok=True)
        soundfile.write(folder / f"set{number % 3}" / f"{number}.wav", samples[: int(seconds * rate)], rate)
    soundfile.write(folder / "short.wav", samples[:500], 16000)
    (folder / "text.wav").write_text("no sound")
    return folder


def stage(root: Path, recordings: Path) -> Stage:
    raw = {
        "results_dir": str(root / "results"),
        "work_dir": str(root / "work"),
        "speaker": {
            "model_dir": str(MODELS / "resnet34"),
            "batch_seconds": 4.0,
            "datasets": {"d": {"input_dir": str(recordings)}},
        },
    }
    return embeddings_stage(load_config(raw, lambda _: "test"), "d")


def run(of: Stage, combine: Any = None) -> dict[str, dict[str, Any]]:
    """Answer the stage's plan, by the CPU way or with groups; the rows of its samples."""
    ((shard, plan),) = plan_dataset(of, scratch=None).plans.items()
    planner_release()
    job = GpuJob(n_gpus=0)
    run_shard(
        plan,
        layout.receipt_file(of.stage_work_dir, shard),
        function="scripts.speaker.gpu_embedding:start_sample",
        versions={},
        workers=1,
        equip=a_gpu if combine else job.equip,
        combine=combine or job.combine,
    )
    return dict(read_shard(of.ledger_dir, shard).rows)


def made(of: Stage) -> dict[str, bytes]:
    folder = of.dataset_dir / "embeddings"
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.pkl"))}


def cosine_distance(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    x, y = a.astype(np.float64), b.astype(np.float64)
    return float(1 - x @ y / np.sqrt((x @ x) * (y @ y)))


def test_a_job_by_groups_makes_what_a_job_by_workers_makes_also_interrupted(recordings: Path, tmp_path: Path) -> None:
    by_workers, by_groups, interrupted = (stage(tmp_path / name, recordings) for name in ("w", "g", "i"))
    rows, grouped = run(by_workers), run(by_groups, on_the_cpu)
    assert sorted(rows) == sorted(grouped)
    assert len(made(by_groups)) == 12
    for key, row in rows.items():
        assert [grouped[key].get(name) for name in ("status", "error", "message", "facts")] == [
            row.get(name) for name in ("status", "error", "message", "facts")
        ]
        for name in row.get("files", ()):
            ours, theirs = (read_embedding(of.dataset_dir / name) for of in (by_groups, by_workers))
            assert cosine_distance(ours.pop("embedding"), theirs.pop("embedding")) < 2e-7
            assert ours == theirs

    def break_off(means: dict[str, Any], given: Any) -> Any:
        for number, result in enumerate(on_the_cpu(means, given)):
            if number == 6:
                raise KeyboardInterrupt
            yield result

    with pytest.raises(KeyboardInterrupt):
        run(interrupted, break_off)
    assert 0 < len(made(interrupted)) < 12
    run(interrupted, on_the_cpu)
    assert made(interrupted) == made(by_groups)
