"""The checks of sampling poses on a GPU, in the form of `checks`.

They need numpy, safetensors and torch with CUDA; the golden runs also torchdiffeq. No checkpoint is at hand, so what is
not golden runs at full size with random weights.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.gpu import speaker_checks

why_no_gpu = speaker_checks.why_no_gpu
DEVICE = "cuda"
PRECISIONS = ("fp32", "tf32", "bf16")
SAMPLERS: dict[str, dict[str, Any]] = {
    "midpoint": {"kind": "sit", "solver": "midpoint", "solver_steps": 4},
    "rk4": {"kind": "sit", "solver": "rk4", "solver_steps": 2},
    "ddpm": {"kind": "ddpm"},
}
_TOKENS, _CHANNELS, _TEXT = 4, 512, 512
_LIMIT_BYTES = 6 << 30


def full_model() -> Any:
    """A MARDM of full size on the device; its weights are random, the same in every call."""
    import torch

    from scripts.pose.nets.mardm import Mardm, MardmSizes

    with torch.device(DEVICE):
        model = Mardm(MardmSizes()).requires_grad_(False).eval()
    generator = torch.Generator(DEVICE).manual_seed(0)
    for weight in model.parameters():
        scale = weight.shape[-1] ** -0.5 if weight.ndim > 1 else 0.1
        weight.normal_(0, scale, generator=generator)
    return model


def captions(n: int, *, ddpm: bool = False) -> tuple[Any, Any]:
    """Text vectors (n, D) and noise of n captions."""
    import torch

    from scripts.pose.sampling.noise import caption_noise, stack

    text = torch.randn(n, _TEXT, generator=torch.Generator().manual_seed(1))
    return text, stack([caption_noise(2, f"caption {i}", 0, _TOKENS, _CHANNELS, ddpm=ddpm) for i in range(n)])


def distance(found: Any, wanted: Any) -> float:
    """max |found - wanted| / max |wanted|."""
    return float((found - wanted).abs().max() / wanted.abs().max())


def check_golden_runs(_: Path) -> str:
    """The golden runs come out of the card within their tolerances, and out of a graph as out of the CPU."""
    from scripts.pose.sampling.generation import LatentGenerator, generate
    from tests.unit.pose.nets.golden_nets import small_mardm
    from tests.unit.pose.sampling.golden_runs import RUNS, golden_batch, golden_run

    largest = {"sit": 0.0, "ddpm": 0.0}
    for kind, tolerance in (("sit", 5e-3), ("ddpm", 1e-4)):
        for name in RUNS:
            run = golden_run(kind, name)
            latents = generate(
                small_mardm().to(DEVICE), run.text.to(DEVICE), run.surviving_noise(), run.sampling, lengths=run.lengths
            )
            largest[kind] = max(largest[kind], distance(latents.cpu(), run.latents))
            assert largest[kind] <= tolerance, f"{kind}, run {name}: {largest[kind]:.1e}"
    batch = golden_batch().with_solver("midpoint", 32)
    by_cpu, by_gpu = (
        LatentGenerator(small_mardm(), batch.sampling, device=device, rows=8)(batch.text, batch.surviving_noise())
        for device in ("cpu", DEVICE)
    )
    assert distance(by_gpu, by_cpu) <= 1e-4, f"{distance(by_gpu, by_cpu):.1e} from the CPU's"
    return ", ".join(f"{kind} {error:.1e}" for kind, error in largest.items()) + f"; CPU {distance(by_gpu, by_cpu):.1e}"


def check_a_graph_gives_what_its_kernels_give(_: Path) -> str:
    """Replaying a CUDA graph, also for other inputs than it was recorded with, gives the bytes of single launches."""
    import torch

    from scripts.pose.sampling.generation import LatentGenerator, Sampling, generate

    for precision in PRECISIONS:
        for name, options in SAMPLERS.items():
            sampling, model = Sampling(**options), full_model()
            generator = LatentGenerator(model, sampling, device=DEVICE, precision=precision, rows=32)
            text, noise = captions(32, ddpm=name == "ddpm")
            wanted = generate(model, text.to(DEVICE), noise, sampling).cpu()
            for turn in range(2):
                assert torch.equal(generator(text, noise), wanted), f"{name}, {precision}: other bytes, turn {turn}"
            text = text.flip(0)
            wanted = generate(model, text.to(DEVICE), noise, sampling).cpu()
            assert torch.equal(generator(text, noise), wanted), f"{name}, {precision}: the first inputs tell"
    return f"{', '.join(SAMPLERS)}; {', '.join(PRECISIONS)}"


def check_latents_depend_on_their_caption_alone(_: Path) -> str:
    """At the rows of production a caption gives the same bytes at any place, in any company, alone."""
    import torch

    from scripts.pose.sampling.generation import ROWS, LatentGenerator, Sampling
    from scripts.pose.sampling.noise import Noise

    n = ROWS["cuda"]
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0))
    for precision in PRECISIONS:
        for name, options in SAMPLERS.items():
            generator = LatentGenerator(full_model(), Sampling(**options), device=DEVICE, precision=precision)
            text, noise = captions(n, ddpm=name == "ddpm")
            latents = generator(text, noise)
            assert latents.isfinite().all()
            for told, chosen in (("place", order), ("company", order[: n // 3]), ("all", order[:1])):
                steps = noise.steps if noise.steps is None else noise.steps[chosen]
                some = Noise(order=noise.order[chosen], start=noise.start[chosen], steps=steps)
                same = torch.equal(generator(text[chosen], some), latents[chosen])
                assert same, f"{name}, {precision}: the {told} tells"
    return f"{n} rows; {', '.join(SAMPLERS)}; {', '.join(PRECISIONS)}"


def check_errors_of_the_precisions(_: Path) -> str:
    """How far TF32 and bf16 are from float32, in one evaluation of the net and in latents."""
    import torch

    from scripts.pose.nets.diff_mlp import guided_field
    from scripts.pose.sampling.generation import LatentGenerator, Sampling

    text, noise = captions(32)
    z_text, z_none, x = torch.randn(3, 32, 1024, device=DEVICE, generator=torch.Generator(DEVICE).manual_seed(3))
    velocities, latents = {}, {}
    for precision in PRECISIONS:
        model = full_model()
        generator = LatentGenerator(model, Sampling("sit"), device=DEVICE, precision=precision, rows=32)
        latents[precision] = generator(text, noise)
        with torch.no_grad():
            field = guided_field(model.denoiser, z_text, z_none, 4.5)
            velocities[precision] = field(x[:, :512].contiguous(), torch.full((), 0.3, device=DEVICE))
    seen = []
    for precision, most in (("tf32", 2e-3), ("bf16", 2e-2)):
        error = distance(velocities[precision], velocities["fp32"])
        assert 0 < error <= most, f"{precision}: {error:.1e} in one evaluation"
        seen.append(f"{precision}: {error:.1e}, latents {distance(latents[precision], latents['fp32']):.1e}")
    return "; ".join(seen)


def check_memory_runs_out(_: Path) -> str:
    """A micro-batch that does not fit says so, and half of it, or half of that, is made."""
    import torch

    from scripts.pose.sampling.generation import LatentGenerator, Sampling

    text, noise = captions(4)
    sampling = Sampling("sit", solver_steps=2)
    wanted = LatentGenerator(full_model(), sampling, device=DEVICE)(text, noise)
    generator = LatentGenerator(full_model(), sampling, device=DEVICE, rows=1 << 16)
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(_LIMIT_BYTES / torch.cuda.get_device_properties(0).total_memory)
    latents = None
    try:
        while latents is None:
            try:
                latents = generator(text, noise)
            except torch.OutOfMemoryError:
                no_memory = True
            else:
                no_memory = False
            if no_memory:  # here, where the error no longer keeps what the failed batch holds
                generator.halve()
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert generator.rows < 1 << 16, "all fitted: nothing was tried"
    assert distance(latents, wanted) <= 1e-3, f"{distance(latents, wanted):.1e} from {wanted.shape[0]} alone"
    return f"{generator.rows} rows in {_LIMIT_BYTES >> 30} GiB"


def check_rates(_: Path) -> str:
    """Milliseconds a pose of 16 frames at midpoint, 64 evaluations; nothing fails here for being slow."""
    import torch

    from scripts.pose.sampling.generation import LatentGenerator, Sampling

    lines = []
    for precision in PRECISIONS:
        told = []
        for rows in (32, 128, 512):
            generator = LatentGenerator(full_model(), Sampling("sit"), device=DEVICE, precision=precision, rows=rows)
            text, noise = captions(rows)
            started = time.perf_counter()
            generator(text, noise)
            first = time.perf_counter() - started
            torch.cuda.reset_peak_memory_stats()
            started = time.perf_counter()
            for _turn in range(3):
                generator(text, noise)
            pose_ms = (time.perf_counter() - started) / 3 / rows * 1e3
            gib = torch.cuda.max_memory_reserved() / (1 << 30)
            told.append(f"{rows} rows {pose_ms:.2f} ms (first batch {first:.1f} s, {gib:.1f} GiB)")
            del generator
            torch.cuda.empty_cache()
        lines.append(f"\n  {precision}: {', '.join(told)}")
    return "".join(lines)


CHECKS: tuple[Callable[[Path], str], ...] = (
    check_golden_runs,
    check_a_graph_gives_what_its_kernels_give,
    check_latents_depend_on_their_caption_alone,
    check_errors_of_the_precisions,
    check_memory_runs_out,
    check_rates,
)
