"""The checks of speaker embeddings on a GPU, in the form of `checks`.

They need numpy, PyYAML and torch with CUDA; those of whole jobs also av, soundfile, soxr, orjson, psutil and
jsonschema. Where a package is missing, the check that needs it says which.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.shared import devices

GOLDEN = Path(__file__).parents[1] / "data" / "golden" / "wespeaker"
FAMILIES = ("resnet34", "resnet34_two_emb", "simam_resnet34_asp", "ecapa_tdnn", "campplus", "eres2net")
PRECISIONS = ("float32", "tf32", "float16")
SAME = 1e-5  # cosine distance of embeddings that are to be the same
_ROWS, _FRAMES = 16, 498
_LIMIT_BYTES = 2 << 30


def why_no_gpu() -> str | None:
    """Why nothing can be checked here; None where a GPU answers."""
    if not devices.visible():
        return "no GPU answers: no driver, nvidia-ml-py is missing, or CUDA_VISIBLE_DEVICES hides it"
    import torch

    if not torch.cuda.is_available():
        return f"no GPU answers: CUDA does not start in torch {torch.__version__}"
    return None


def load(model_dir: Path, *, device: str = "cpu", precision: str = "float32") -> Any:
    """A model folder as an encoder of runtime native."""
    from scripts.speaker.encoders.choice import load_encoder
    from scripts.speaker.encoders.model_folder import inspect_model

    found = inspect_model(str(model_dir), "native")
    settings = {"runtime": "native", "model": found.name, "model_digest": found.digest, "precision": precision}
    encoder = load_encoder(settings, found.path, device=device)
    assert encoder.device == device, f"the model runs on {encoder.device}"
    return encoder


@cache
def golden() -> tuple[Any, Any]:
    """Features and embeddings of WeSpeaker's own classes."""
    return np.load(GOLDEN / "golden_fbank.npz"), np.load(GOLDEN / "golden_embeddings.npz")


def speech_features() -> list[NDArray[np.float32]]:
    """(1, T, 80) of each golden utterance, mean subtracted."""
    raw = [golden()[0][f"utt{number}/hamming_int16_raw"] for number in range(3)]
    return [(feats - feats.mean(axis=0))[None].astype(np.float32) for feats in raw]


def cosine_distance(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Of each row (B, D) from its row in the other."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    distance: NDArray[np.float64] = 1 - (x * y).sum(1) / (np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1))
    return distance


def batch() -> NDArray[np.float32]:
    """(16, 498, 80): pieces of golden speech."""
    joined = np.concatenate([feats[0] for feats in speech_features()])
    starts = np.linspace(0, len(joined) - _FRAMES, _ROWS).astype(int)
    return np.stack([joined[start : start + _FRAMES] for start in starts])


def check_golden_embeddings(_: Path) -> str:
    """Each family gives the golden embeddings; in the lower precisions, how far they are is said."""
    largest: dict[str, float] = {}
    for precision in PRECISIONS:
        for family in FAMILIES:
            encoder = load(GOLDEN / family, device="cuda", precision=precision)
            given = np.concatenate([encoder.embed(feats) for feats in speech_features()])
            distance = float(cosine_distance(given, golden()[1][f"{family}/hamming_int16"]).max())
            assert precision != "float32" or distance <= SAME, f"{family}: {distance:.1e} from its golden embeddings"
            largest[precision] = max(largest.get(precision, 0), distance)
    return ", ".join(f"{precision}: {distance:.1e}" for precision, distance in largest.items())


def check_rows_know_nothing_of_each_other(_: Path) -> str:
    """At one shape a row gives the same bytes whatever the others hold and wherever it stands; alone, it is near."""
    order = np.random.default_rng(0).permutation(_ROWS)
    for precision in PRECISIONS:
        for family in FAMILIES:
            encoder = load(GOLDEN / family, device="cuda", precision=precision)
            whole, half = batch(), batch()
            half[_ROWS // 2 :] = 0
            embeddings = encoder.embed(whole)
            told = f"{family}, {precision}"
            assert np.array_equal(encoder.embed(whole), embeddings), f"{told}: twice the same gives other bytes"
            assert np.array_equal(encoder.embed(half)[: _ROWS // 2], embeddings[: _ROWS // 2]), (
                f"{told}: zero rows tell"
            )
            assert np.array_equal(encoder.embed(whole[order]), embeddings[order]), f"{told}: the place of a row tells"
            alone = float(cosine_distance(encoder.embed(whole[:1]), embeddings[:1]).max())
            assert precision != "float32" or alone <= SAME, f"{told}: alone {alone:.1e} from the batch"
    return f"{len(FAMILIES)} families, {_ROWS} rows"


def check_memory_runs_out(folder: Path) -> str:
    """A batch that does not fit is halved, a recording that never fits fails alone, and the next ones go on."""
    import torch

    from scripts.shared.errors import SampleError
    from scripts.speaker.batches import Batches
    from tests.bench.speaker.embedding_job import write_model

    encoder = load(write_model(folder / "full", "ResNet34"), device="cuda")
    batches = Batches(encoder)
    large = np.tile(batch()[:1, :400], (64, 8, 1))  # 64 x 32 s
    expected = encoder.embed(large[:1])
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(_LIMIT_BYTES / torch.cuda.get_device_properties(0).total_memory)
    try:
        embeddings, rows = batches.embed(large, 64)
        assert rows < 64, "all fitted: nothing was tried"
        assert cosine_distance(embeddings, np.repeat(expected, 64, axis=0)).max() <= SAME
        failed = ""
        try:
            batches.embed(np.tile(batch()[:1, :400], (1, 1000, 1)), 1)
        except SampleError as error:
            failed = error.error
        assert failed == "out_of_memory", failed or "an hour fitted"
        assert batches.embed(batch(), _ROWS)[1] == _ROWS
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    return f"64 x 32 s in batches of {rows} in {_LIMIT_BYTES >> 30} GiB"


def check_a_job_makes_what_the_cpu_makes(folder: Path) -> str:
    """A whole job on the GPU, reading in workers, gives the embeddings of a job on the CPU."""
    from scripts.speaker.embedding_file import read_embedding
    from tests.bench.speaker.embedding_job import embed_all, stage_of, write_recordings

    for seconds, n in ((1.0, 40), (1.5, 20), (2.0, 3)):
        write_recordings(folder / "recordings" / str(seconds), n, suffix=".wav", seconds=seconds)
    made = {}
    for n_gpus in (0, 1):
        options = {"runtime": "native", "batch_seconds": 8}
        stage = stage_of(folder / f"run{n_gpus}", folder / "recordings", GOLDEN / "resnet34", **options)
        embed_all(stage, workers=4, n_gpus=n_gpus)
        tree = stage.dataset_dir / "embeddings"
        paths = sorted(tree.rglob("*.pkl"))
        made[n_gpus] = {path.relative_to(tree): read_embedding(path)["embedding"] for path in paths}
    assert sorted(made[0]) == sorted(made[1])
    by_cpu, by_gpu = (np.stack([made[n_gpus][name] for name in sorted(made[0])]) for n_gpus in (0, 1))
    largest = float(cosine_distance(by_cpu, by_gpu).max())
    assert largest <= SAME, f"{largest:.1e} from the CPU's"
    return f"{len(made[0])} recordings, largest distance {largest:.1e}"


def check_rates(_: Path) -> str:
    """Recordings a second, which a table of `tests.bench` holds; nothing fails here for being slow."""
    from tests.bench.speaker import bench_embedding_gpu

    table = bench_embedding_gpu.run()
    lines = []
    for row in table.rows:
        cells = [f"{cell:.0f}" if isinstance(cell, float) else str(cell) for cell in row[1:]]
        told = ", ".join(f"{column} {cell}" for column, cell in zip(table.columns[1:], cells, strict=True))
        lines.append(f"\n  {row[0]}: {told}")
    return "".join(lines)


CHECKS: tuple[Callable[[Path], str], ...] = (
    check_golden_embeddings,
    check_rows_know_nothing_of_each_other,
    check_memory_runs_out,
    check_a_job_makes_what_the_cpu_makes,
    check_rates,
)
