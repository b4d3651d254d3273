"""Milliseconds of a pose on one GPU at full size: MARDM's order of work, and ours; and 10,000 poses with pictures.

Needs torch with CUDA, torchdiffeq, safetensors, matplotlib and OpenCV; the job also what plans and ledgers need.
Nothing is imported before it is needed, so that the checks of a GPU run in any CUDA environment.
"""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench.table import Cell, NotMeasured, Table
from tests.gpu.pose_checks import PRECISIONS, captions, full_model, why_no_gpu

DEVICE = "cuda"
N_TOKENS = 4  # of 16 frames
N_POSES = 10_000
N_BATCHES = {"MARDM's": 3, "ours": 5}
N_PICTURES = {"MARDM's": 8, "ours": 100}
N_JOB = (1_024, 5_120)  # captions; the difference is a job without its start
JOB_PRECISION = "tf32"
EMPTY = Table(
    title="Generation of poses on the GPU",
    about="Poses of 16 frames at cfg 4.5 by a MARDM-SiT of full size with random weights, from text vectors to joints. "
    "MARDM's order of work: batches of 8, every masked token in each of 18 steps, dopri5 by torchdiffeq, and a new "
    "matplotlib figure for each pose in the same process (`tests/bench/pose/upstream_order.py`, `new_figure.py`). "
    "Ours: each token in the step that it survives from, midpoint with 32 steps in a CUDA graph, micro-batches of a "
    "fixed size, pictures by our renderer on all CPU cores afterwards. 10,000 poses: computed from the columns before. "
    "Job: shard jobs that make poses and pictures, wall clock, many captions less few. Evaluations: of the denoiser in "
    "each step; with random weights dopri5 takes fewer than with trained ones (see the presets). First batch: with the "
    "recording of the graph. Memory: most that torch took of the GPU, in GiB.",
    columns=[
        "way",
        "evaluations",
        "ms a pose",
        "MARDM's / this",
        "first batch, s",
        "GPU GiB",
        "picture, CPU ms",
        "10,000 poses with pictures, min",
    ],
    rows=[],
)


class Taken(NamedTuple):
    """What batches took: milliseconds of a pose, seconds of the first, evaluations in each step, GiB of the GPU."""

    pose_ms: float
    first_s: float
    evaluations: float
    gib: float


def mardms() -> Taken:
    """Batches of 8 in MARDM's order."""
    import torch

    from tests.bench.pose import upstream_order

    model = pose_model()
    text = captions(upstream_order.BATCH)[0].to(DEVICE)
    solved = []

    def solve(field: upstream_order.Field, x: Any) -> Any:
        solved.append(1)
        return upstream_order.dopri5(field, x)

    @torch.no_grad()
    def batch() -> None:
        latents = upstream_order.generate(model.mardm, text, N_TOKENS, solve)
        joints(model, model.autoencoder.decode(latents).cpu().numpy() * model.std + model.mean)

    return measure(batch, model, len(text), n_batches=N_BATCHES["MARDM's"], n_solves=lambda: len(solved))


def ours(precision: str) -> Taken:
    """Whole micro-batches as a job makes them."""
    from scripts.pose.pose_maker import PoseMaker
    from scripts.pose.sampling.generation import Sampling
    from scripts.pose.sampling.rows import ROWS

    model = pose_model()
    maker = PoseMaker(model, Sampling("sit"), device=DEVICE, precision=precision)
    text, noise = captions(ROWS[DEVICE])
    vectors = text.numpy()
    taken = measure(
        lambda: joints(model, maker.motions(vectors, noise)),
        model,
        len(vectors),
        n_batches=N_BATCHES["ours"],
        n_solves=lambda: 0,  # a graph is not seen to evaluate
    )
    return taken._replace(evaluations=2 * Sampling("sit").solver_steps)


def pose_model() -> Any:
    """A whole model of full size on the device."""
    import torch

    from scripts.pose.model_files.model_file import PoseModel
    from scripts.pose.nets.autoencoder import AutoEncoder
    from scripts.pose.skeleton import SKELETONS
    from tests.pose_models import small_mean_std

    mardm = full_model()
    torch.manual_seed(0)
    n_features = SKELETONS["t2m"].n_features
    autoencoder = AutoEncoder(n_features, latent=mardm.sizes.latent).requires_grad_(False).to(DEVICE)
    mean, std = small_mean_std("t2m")
    return PoseModel(autoencoder, mardm, None, mean, std, kind="sit", skeleton="t2m", identity="", text_encoder="clip")


def joints(model: Any, features: Any) -> Any:
    """The joints of features, (n, T, J, 3), which are a number."""
    import numpy as np

    from scripts.pose.features import joints_from_features
    from scripts.pose.skeleton import SKELETONS

    found = joints_from_features(features.astype(np.float32), SKELETONS[model.skeleton])
    assert np.isfinite(found).all()
    return found


def measure(
    batch: Callable[[], object], model: Any, n_poses: int, *, n_batches: int, n_solves: Callable[[], int]
) -> Taken:
    """Make batches of so many poses; the first is counted apart. Whatever makes one gives its result to the CPU."""
    reset_memory()
    evaluations: list[int] = []
    counter = model.mardm.denoiser.input_proj.register_forward_hook(lambda *_: evaluations.append(1))
    started = time.perf_counter()
    batch()
    first_s = time.perf_counter() - started
    counter.remove()
    each = len(evaluations) / max(n_solves(), 1)
    started = time.perf_counter()
    for _ in range(n_batches):
        batch()
    return Taken(1e3 * (time.perf_counter() - started) / n_batches / n_poses, first_s, each, most_gib())


def reset_memory() -> None:
    """Forget what was taken of the GPU before."""
    import torch

    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()


def most_gib() -> float:
    """The most that was taken since."""
    import torch

    gib: float = torch.cuda.max_memory_reserved() / 2**30
    return gib


def picture_ms() -> dict[str, float]:
    """CPU milliseconds of a picture by each way."""
    import numpy as np

    from scripts.pose.figures.renderer import pose_png
    from scripts.pose.skeleton import SKELETONS
    from tests.bench.pose.new_figure import draw

    skeleton, title = SKELETONS["t2m"], "A person walks forward"
    poses = np.random.default_rng(0).uniform(-0.8, 0.8, (64, 22, 3)).astype(np.float32)
    taken = {}
    with tempfile.TemporaryDirectory() as folder:
        to = Path(folder, "pose.png")
        ways: dict[str, Callable[[Any], object]] = {
            "MARDM's": lambda pose: draw(pose, skeleton.chains, title, to, tight=True),
            "ours": lambda pose: to.write_bytes(pose_png(pose, skeleton, title)),
        }
        for way, draw_one in ways.items():
            draw_one(poses[0])
            started = time.process_time()
            for number in range(N_PICTURES[way]):
                draw_one(poses[number % len(poses)])
            taken[way] = 1e3 * (time.process_time() - started) / N_PICTURES[way]
    return taken


def job_ms(root: Path) -> dict[str, float]:
    """Wall milliseconds of a pose by stage, through shard jobs with the GPU and all CPU cores."""
    from scripts.pose.stage import pose_stages  # noqa: F401 - a missing package is told before a model is written
    from scripts.shared.config import read_config
    from tests.bench.pose.pose_job import FUNCTIONS, MADE_UP, run_stages, write_config
    from tests.pose_models import random_xl_model
    from tests.pose_place import write_clip

    model = root / "model.safetensors"
    random_xl_model(model)
    options = {"checkpoints": str(model), "clip": str(write_clip(root / "clip")), "precision": JOB_PRECISION}
    functions = {**FUNCTIONS, "text": MADE_UP["text"]}
    taken = []
    for n in N_JOB:
        config = read_config(write_config(root / str(n), n, shard_size=n, **options))
        seconds, _ = run_stages(config, functions, workers=len(os.sched_getaffinity(0)), n_gpus=1)
        taken.append(seconds)
    few, many = taken
    return {stage: 1e3 * (many[stage] - few[stage]) / (N_JOB[1] - N_JOB[0]) for stage in ("generate", "render")}


def run() -> Table:
    """Measure on the first GPU.

    Raises:
        NotMeasured: none answers, or torch cannot use it.
    """
    if why := why_no_gpu():
        raise NotMeasured(EMPTY, why)
    import torch

    n_cores = len(os.sched_getaffinity(0))
    drawn = picture_ms()
    baseline = mardms()
    minutes = N_POSES * (baseline.pose_ms + drawn["MARDM's"]) / 60e3
    rows = [_row("MARDM's order, 8 at once", baseline, baseline, drawn["MARDM's"], minutes)]
    for precision in PRECISIONS:
        taken = ours(precision)
        minutes = N_POSES * (taken.pose_ms + drawn["ours"] / n_cores) / 60e3
        rows.append(_row(f"ours, {precision}", taken, baseline, drawn["ours"], minutes))
    notes = [f"On one {torch.cuda.get_device_name()} with {n_cores} CPU cores."]
    try:
        with tempfile.TemporaryDirectory() as folder:
            job = job_ms(Path(folder))
    except ModuleNotFoundError as error:
        notes.append(f"Job not measured: the Python package {error.name} is missing.")
    else:
        ratio, minutes = baseline.pose_ms / job["generate"], N_POSES * sum(job.values()) / 60e3
        rows.append([f"job, {JOB_PRECISION}", None, job["generate"], round(ratio, 1), None, None, None, minutes])
        notes.append(f"Job: a picture takes {job['render']:.2f} ms of wall clock on these cores.")
    return Table(EMPTY.title, EMPTY.about, EMPTY.columns, rows, notes, {"torch": torch.__version__})


def _row(name: str, taken: Taken, baseline: Taken, picture: float, minutes: float) -> list[Cell]:
    ratio = round(baseline.pose_ms / taken.pose_ms, 1)
    evaluations = f"{round(taken.evaluations, 1):g}"
    return [name, evaluations, taken.pose_ms, ratio, taken.first_s, taken.gib, round(picture, 1), minutes]
