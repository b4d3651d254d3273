"""Seconds and memory of a training step at the preset `full` on one GPU: the guide's order of work, and ours.

Needs torch with CUDA and transformers. Nothing is imported before it is needed, so that the checks run anywhere.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tests.bench.table import Cell, NotMeasured, Table
from tests.gpu.speaker_checks import why_no_gpu

CHUNKS = (32, 128, 256)
N_STEPS = 3
EMPTY = Table(
    title="Training of the video anomaly detector on the GPU",
    about="A step of the preset `full`, 16 videos of 256 frames with ViT-B/32 of random weights, from frames in the "
    "host's memory to changed weights; mean of 3 steps after one. The guide's order of work "
    "(`tests/bench/fgclip/guide_order.py`): two videos at once, so 1,024 frames with those of their regions, the "
    "dense map computed and thrown away, bfloat16 weights, plain activations. Ours: four videos at once, 1,024 frames, "
    "float32 weights under bf16 autocast, regions from the dense map of the same pass, activations of `frame_chunk` "
    "frames held, algorithms that repeat to the bit. Memory: most that tensors took of the GPU, in GiB.",
    columns=["way", "frames encoded", "s a step", "guide's / this", "GPU GiB", "fits in 24 GB"],
    rows=[],
)


def run() -> Table:
    """Measure on the first GPU.

    Raises:
        NotMeasured: none answers, or torch cannot use it.
    """
    if why := why_no_gpu():
        raise NotMeasured(EMPTY, why)
    import torch

    from scripts.fgclip.model.identity import RANDOM_B32
    from tests.bench.fgclip.training_step import FULL

    return replace(
        EMPTY,
        rows=rows("cuda", FULL, CHUNKS, RANDOM_B32, n_steps=N_STEPS),
        notes=[f"On one {torch.cuda.get_device_name()}."],
        versions={"torch": torch.__version__},
    )


def rows(device: str, options: Any, chunks: Sequence[int], clip: str, *, n_steps: int) -> list[list[Cell]]:
    """The guide's row, and one of ours for each chunk.

    Args:
        device: such as "cuda".
        options: of the training.
        chunks: numbers of frames whose activations are held.
        clip: name of a CLIP of random weights.
        n_steps: that count.
    """
    import torch

    from scripts.shared.training.determinism import make_deterministic
    from tests.bench.fgclip.guide_order import frames_of_a_video
    from tests.bench.fgclip.training_step import guides_step, measure, our_step

    make_deterministic(0)
    videos = options.batch_size * options.accumulation
    torch.use_deterministic_algorithms(False)
    baseline = measure(guides_step(options, device, clip), device, n_steps)
    torch.use_deterministic_algorithms(True)
    n_frames = videos * frames_of_a_video(options.num_frames)
    table: list[list[Cell]] = [["guide's order of work", n_frames, baseline.step_s, 1.0, *_memory(baseline.gib)]]
    for chunk in chunks:
        taken = measure(our_step(replace(options, frame_chunk=chunk), device, clip), device, n_steps)
        ratio = round(baseline.step_s / taken.step_s, 2)
        name = f"ours, frame_chunk {chunk}"
        table.append([name, videos * options.num_frames, taken.step_s, ratio, *_memory(taken.gib)])
    return table


def _memory(gib: float) -> list[Cell]:
    return [gib, "yes" if gib * 2**30 < 24e9 else "no"]
