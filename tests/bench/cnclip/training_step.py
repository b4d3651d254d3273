"""Training steps at full size with random weights: those of our loop, and those of upstream's order of work."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import torch

from scripts.cnclip.model_files.architecture import find_sizes, random_model
from scripts.cnclip.training.learner import Learner
from scripts.cnclip.training.loading import Pairs
from scripts.cnclip.training.options import Distillation, RunOptions
from scripts.shared.training.processes import Processes
from tests.bench.cnclip.upstream_step import CONTEXT_LENGTH, UpstreamOrder, UpstreamStep

ARCHITECTURE = "ViT-B-16_RoBERTa-wwm-ext-base-chinese"
TEXT_DROPOUT = 0.1  # upstream's
SHORT = 24  # longest of short captions in tokens, cut to a multiple of 8; MUGE's have about ten characters
_WARM = 3

NO_TEACHER = Distillation("none", "", 4.0, 1.0, 0.5, 0.5, online=False)
OPTIONS = RunOptions(
    name="bench",
    batch_size=128,
    processes=1,
    chunk_size=0,
    epochs=1,
    max_steps=0,
    lr=5e-5,
    weight_decay=1e-3,
    warmup=100,
    beta1=0.9,
    beta2=0.98,
    eps=1e-6,
    precision="bf16",
    augment=False,
    context_length=CONTEXT_LENGTH,
    text_dropout=TEXT_DROPOUT,
    freeze_vision=False,
    gradient_checkpointing=False,
    valid_step_interval=0,
    save_step_interval=0,
    save_epoch_interval=1,
    keep="last",
    loader_workers=0,
    shuffle_captions=False,
    seed=1,
    kd=NO_TEACHER,
)


class Taken(NamedTuple):
    """What a step took: milliseconds, and the most GiB of the GPU; 0 GiB on the CPU."""

    step_ms: float
    gib: float


def made_up_pairs(n: int, size: int, longest: int, *, pinned: bool = False) -> Pairs:
    """Random pairs on the host: n pictures of S pixels, texts of 8 to `longest` tokens."""
    random = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8, generator=random)
    ids = torch.randint(1000, 8000, (n, longest), generator=random)
    lengths = torch.randint(8, longest + 1, (n,), generator=random)
    lengths[0] = longest
    ids[torch.arange(longest) >= lengths[:, None]] = 0
    ids[:, 0] = 101
    numbers = torch.arange(n)
    held = (pictures.pin_memory(), ids.pin_memory()) if pinned else (pictures, ids)
    return Pairs(*held, numbers, numbers, ())


def our_step(architecture: str, device: str, options: RunOptions, longest: int) -> Callable[[], Any]:
    """A step of our loop on made-up pairs, their way to the device included; gives the loss, still there."""
    model = random_model(architecture, 0).to(device)
    learner = Learner(model, options, Processes.single(device))
    size = model.config.vision_config.image_size
    pairs = made_up_pairs(options.batch_size, size, longest, pinned=device != "cpu")
    numbers = iter(range(1 << 30))
    place = torch.device(device)
    return lambda: learner.learn(pairs.on(place), next(numbers), options.lr).total


def upstreams_step(architecture: str, device: str, options: RunOptions, longest: int) -> Callable[[], Any]:
    """A step of upstream's order of work on the same pairs: float32 pixels, and texts of 52 tokens."""
    from scripts.cnclip.training.towers import pixel_values

    torch.manual_seed(0)
    sizes = find_sizes(architecture)
    step = UpstreamStep(
        UpstreamOrder(sizes, text_dropout=options.text_dropout).to(device), bf16=options.precision == "bf16"
    )
    pairs = made_up_pairs(options.batch_size, sizes.vision.image, longest)
    pixels = pixel_values(pairs.pictures)
    ids = torch.nn.functional.pad(pairs.ids, (0, CONTEXT_LENGTH - longest))
    if device != "cpu":
        pixels, ids = pixels.pin_memory(), ids.pin_memory()
    return lambda: step(pixels, ids)


def measure(step: Callable[[], Any], device: str, n_steps: int) -> Taken:
    """Take steps; the first few do not count."""
    on_gpu = device != "cpu"
    for _ in range(_WARM):
        step()
    if on_gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    for _ in range(n_steps):
        loss = step()
    if on_gpu:
        torch.cuda.synchronize()
    step_ms = 1e3 * (time.perf_counter() - started) / n_steps
    assert torch.isfinite(torch.as_tensor(loss)), f"the loss is {loss}"
    return Taken(step_ms, torch.cuda.max_memory_allocated() / 2**30 if on_gpu else 0.0)


class Way(NamedTuple):
    """A way to take a step: its name, what makes it, the longest text in tokens, and whether it repeats to the bit."""

    name: str
    make: Callable[[str, RunOptions, int], Callable[[], Any]]
    options: RunOptions
    longest: int
    repeatable: bool = True


def ways(options: RunOptions = OPTIONS, *, architecture: str = ARCHITECTURE, short: int = SHORT) -> list[Way]:
    """What is compared; the first is the baseline of those with as many pairs."""
    chunk = max(1, options.batch_size // 4)
    ours, upstreams = partial(our_step, architecture), partial(upstreams_step, architecture)
    return [
        Way("upstream's order of work", upstreams, options, short, repeatable=False),
        Way("ours, short texts cut", ours, options, short),
        Way("ours, texts of 52 tokens", ours, options, CONTEXT_LENGTH),
        Way(f"ours, chunks of {chunk}", ours, replace(options, chunk_size=chunk), short),
        Way("ours, activations computed again", ours, replace(options, gradient_checkpointing=True), short),
    ]


def take_turns(chosen: list[Way], device: str, *, n_steps: int, rounds: int) -> list[Taken]:
    """Measure each way in turn, several times: the fastest round and the most memory count."""
    seen: list[list[Taken]] = [[] for _ in chosen]
    for _ in range(rounds):
        for way, taken in zip(chosen, seen, strict=True):
            # Upstream lets the libraries choose, by the clock, what is fastest.
            torch.use_deterministic_algorithms(way.repeatable)
            torch.backends.cudnn.benchmark = not way.repeatable
            if device != "cpu":
                torch.cuda.empty_cache()
            taken.append(measure(way.make(device, way.options, way.longest), device, n_steps))
    return [Taken(min(one.step_ms for one in taken), max(one.gib for one in taken)) for taken in seen]
