"""Training steps of a ViT-B/32 with random weights: those of our loop, and those of the guide's order of work."""

import math
import time
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

import torch

from scripts.fgclip.data.records import Item, Key, Records, Region, Video
from scripts.fgclip.model.clip_folder import TINY_CONTEXT, random_clip
from scripts.fgclip.model.identity import RANDOM_B32, TINY
from scripts.fgclip.model.tokens import Tokenizer, openai_tokens
from scripts.fgclip.model.video_clip import VideoClip
from scripts.fgclip.training.batches import Pick
from scripts.fgclip.training.item_reader import Batch, ItemReader, batch_of, caption_keys
from scripts.fgclip.training.learner import Learner
from scripts.fgclip.training.options import RunOptions
from scripts.fgclip.training.regions import box_sizes, n_slots
from scripts.shared.training.processes import Processes
from tests.bench.fgclip.guide_order import REGIONS, GuideStep, frames_of_a_video

CONTEXT, SIZE = 77, 224
# The preset `full`, with what the schema gives to what it leaves out.
FULL = RunOptions(
    name="bench",
    num_frames=256,
    batch_size=4,
    accumulation=4,
    processes=1,
    epochs=10,
    max_steps=0,
    lr=1e-5,
    text_lr=5e-6,
    new_lr=1e-4,
    weight_decay=0.01,
    max_grad_norm=1.0,
    warmup_steps=0.1,
    precision="auto",
    log_steps=10,
    save_steps=0,
    save_total_limit=3,
    resume_from_checkpoint="auto",
    num_workers=0,
    frame_chunk=32,
    finetune="all",
    region_weight=0.5,
    max_regions=4,
    background_region=True,
    background_caption="a normal scene from a surveillance camera",
    normal_boxes="random",
    augment="none",
    keep_best=False,
    hold_out=0.1,
    checkpoints="last",
    shuffle_captions=False,
    long_captions=False,
    temporal_layers=2,
    seed=42,
)


def new_model(clip: str = RANDOM_B32) -> tuple[VideoClip, Tokenizer]:
    """A model of random weights, on the CPU, with OpenAI's vocabulary; equal ones each time."""
    tokenizer = openai_tokens(TINY_CONTEXT if clip == TINY else CONTEXT)
    backbone = random_clip(clip, tokenizer, seed=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return VideoClip(backbone, context_length=tokenizer.context_length), tokenizer


def new_learner(options: RunOptions, device: str, clip: str = RANDOM_B32) -> Learner:
    """A learner on the device."""
    model, _ = new_model(clip)
    return Learner(model.to(device), options, Processes.single(device))


def made_up_batch(options: RunOptions, size: int, seed: int, context: int = CONTEXT) -> Batch:
    """Random frames with boxes on all of them, as many regions as there may be, and captions that differ."""
    random = torch.Generator().manual_seed(seed)
    n, length, slots = options.batch_size, options.num_frames, n_slots(options)
    corners = 0.1 + 0.3 * torch.rand(n, length, slots, 2, generator=random)
    ids, region_ids = (token_ids(rows, random, context) for rows in (n, n * slots))
    return Batch(
        names=tuple(f"video{number}" for number in range(n)),
        frames=torch.randint(0, 256, (n * length, size, size, 3), dtype=torch.uint8, generator=random),
        frame_mask=torch.ones(n, length, dtype=torch.bool),
        boxes=torch.cat([corners, corners + 0.4], -1),
        box_mask=torch.ones(n, length, slots, dtype=torch.bool),
        caption_ids=ids,
        caption_keys=caption_keys(ids),
        region_ids=region_ids.view(n, slots, context),
        region_keys=caption_keys(region_ids).view(n, slots),
        kept=torch.ones(n, dtype=torch.bool),
        unreadable=(),
    )


def token_ids(n: int, random: torch.Generator, context: int = CONTEXT) -> torch.Tensor:
    """(n, context) ids of texts that fill a quarter of it, in OpenAI's vocabulary."""
    ids = torch.randint(300, 40_000, (n, context), generator=random)
    end = context // 4
    ids[:, 0], ids[:, end], ids[:, end + 1 :] = 49_406, 49_407, 0
    return ids


def our_step(options: RunOptions, device: str, clip: str = RANDOM_B32) -> Callable[[], float]:
    """A step of our loop on made-up batches that are there; gives its loss."""
    learner = new_learner(options, device, clip)
    batch = made_up_batch(options, learner.model.image_size, 0, learner.model.context_length)
    numbers = iter(range(1 << 30))
    return lambda: learner.learn(repeat(batch), next(numbers), 1.0).loss


def guides_step(options: RunOptions, device: str, clip: str = RANDOM_B32) -> Callable[[], float]:
    """A step of the guide's order of work on as many videos, whose frames are there; gives its loss."""
    model, _ = new_model(clip)
    step = GuideStep(model.clip, device, bf16=device != "cpu", num_frames=options.num_frames)
    random = torch.Generator().manual_seed(0)
    shape = (frames_of_a_video(options.num_frames), model.image_size, model.image_size, 3)
    n = options.batch_size * options.accumulation
    frames = torch.randint(0, 256, shape, dtype=torch.uint8, generator=random)
    texts, region_texts = (token_ids(rows, random, model.context_length) for rows in (n, n * REGIONS))
    return lambda: step([frames] * n, texts, region_texts).item()


class Taken(NamedTuple):
    """What a step took: seconds, and the most GiB of the GPU that tensors had; 0 GiB on the CPU."""

    step_s: float
    gib: float


def measure(step: Callable[[], float], device: str, n_steps: int) -> Taken:
    """Take steps; the first does not count.

    Raises:
        AssertionError: a loss is no number.
    """
    step()
    if on_gpu := device != "cpu":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    losses = [step() for _ in range(n_steps)]
    if on_gpu:
        torch.cuda.synchronize()
    step_s = (time.perf_counter() - started) / n_steps
    assert all(map(math.isfinite, losses)), f"the losses are {losses}"
    return Taken(step_s, torch.cuda.max_memory_allocated() / 2**30 if on_gpu else 0.0)


def real_batches(options: RunOptions, paths: list[Path], n_frames: int, tokenizer: Tokenizer) -> Iterator[Batch]:
    """Batches of videos that are decoded as they are wanted: every other one anomalous, with a region of its own.

    Args:
        options: of the run.
        paths: as many as a batch has.
        n_frames: of each.
        tokenizer: of the model.
    """
    keys = (Key(n_frames // 4, 0.2, 0.2, 0.5, 0.6, True), Key(n_frames // 2, 0.3, 0.3, 0.6, 0.7, True))
    regions = (Region("a man breaks a window", keys[0].frame, keys[1].frame, keys), Region("a street", None, None, ()))
    items = [
        Item(path.stem, path.stem, "Normal", not number % 2, f"video {number}", (0, n_frames), (regions[number % 2],))
        for number, path in enumerate(paths)
    ]
    records = Records({path.stem: Video(path, n_frames, 30.0, 320, 240, path.stem) for path in paths}, tuple(items))
    reader = ItemReader(items, records, tokenizer, options, size=SIZE, sizes=box_sizes(records))
    for epoch in range(1 << 30):
        yield batch_of([reader[Pick(number, epoch, 0)] for number in range(len(items))], options.num_frames)
