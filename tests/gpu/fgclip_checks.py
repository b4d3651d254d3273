"""The checks of the video anomaly detector on a GPU, in the form of `checks`.

They need numpy, PyYAML, tokenizers, safetensors, transformers and torch with CUDA; frames are made up. No checkpoint is
at hand, so all runs at full size with random weights.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.gpu import speaker_checks

why_no_gpu = speaker_checks.why_no_gpu
DEVICE = "cuda"
CLIP = "random-ViT-B-32"
NUM_FRAMES = 256
LIMIT_BYTES = 24e9
SAME = 1e-3  # of margins whose logits reach 100: float32 of both devices


def full_options(**changed: Any) -> Any:
    """Those of the preset `full`, of as many frames as the checks take."""
    from tests.bench.fgclip.training_step import FULL

    return replace(FULL, num_frames=NUM_FRAMES, **changed)


def check_a_full_step_fits_in_24_gb(_: Path) -> str:
    """A step of 4 x 4 videos of 256 frames, beside the guide's order of work; nothing fails here for being slow."""
    import torch

    from scripts.shared.training.determinism import make_deterministic
    from tests.bench.fgclip.training_step import guides_step, measure, our_step

    make_deterministic(0)
    ours = measure(our_step(full_options(), DEVICE, CLIP), DEVICE, 1)
    assert ours.gib * 2**30 < LIMIT_BYTES, f"{ours.gib:.1f} GiB"
    torch.use_deterministic_algorithms(False)
    try:
        guides = measure(guides_step(full_options(), DEVICE, CLIP), DEVICE, 1)
    except torch.OutOfMemoryError:
        told = "does not fit on this GPU"
    else:
        assert DEVICE == "cpu" or ours.gib < guides.gib, f"{ours.gib:.1f} GiB, the guide's order {guides.gib:.1f}"
        told = f"{guides.step_s:.2f} s, {guides.gib:.2f} GiB"
    finally:
        torch.use_deterministic_algorithms(True)
    return f"ours {ours.step_s:.2f} s, {ours.gib:.2f} GiB; the guide's order of work {told}"


def check_a_training_repeats_to_the_bit(_: Path) -> str:
    """Equal bits twice, and again after going on from a checkpoint."""
    from copy import deepcopy
    from itertools import repeat

    import torch

    from scripts.shared.training.determinism import make_deterministic
    from tests.bench.fgclip.training_step import made_up_batch, new_learner

    make_deterministic(0)
    options = full_options(accumulation=1, frame_chunk=max(1, NUM_FRAMES // 4))
    one, other, resumed = (new_learner(options, DEVICE, CLIP) for _ in range(3))
    size, context = one.model.image_size, one.model.context_length
    batches = [made_up_batch(options, size, seed, context) for seed in range(3)]

    def learn(learner: Any, steps: range) -> None:
        for step in steps:
            learner.learn(repeat(batches[step]), step, 1.0)

    learn(one, range(3))
    learn(other, range(2))
    resumed.restore(deepcopy(other.checkpoint()), where="check")  # it holds the learner's own tensors
    learn(other, range(2, 3))
    learn(resumed, range(2, 3))
    for name, value in one.model.state_dict().items():
        assert torch.equal(value, other.model.state_dict()[name]), f"a second training gives other bits: {name}"
        assert torch.equal(value, resumed.model.state_dict()[name]), f"going on gives other bits: {name}"
    return "3 steps"


def check_bf16_is_near_fp32_and_keeps_float32_weights(_: Path) -> str:
    """The loss of the first steps, by both precisions."""
    from itertools import repeat

    import torch

    from scripts.shared.training.determinism import make_deterministic
    from tests.bench.fgclip.training_step import made_up_batch, new_learner

    make_deterministic(0)
    losses = []
    for precision in ("fp32", "bf16"):
        options = full_options(accumulation=1, precision=precision)
        learner = new_learner(options, DEVICE, CLIP)
        batch = made_up_batch(options, learner.model.image_size, 0, learner.model.context_length)
        losses.append([learner.learn(repeat(batch), step, 1.0).loss for step in range(3)])
        kinds = {value.dtype for value in learner.model.parameters()}
        assert kinds == {torch.float32}, f"{precision}: weights are {kinds}"
    apart = max(abs(one - other) for one, other in zip(*losses, strict=True))
    assert 0 < apart < 0.1, f"losses {losses}"
    return f"{apart:.1e} apart"


def check_scores_are_those_of_the_cpu(folder: Path) -> str:
    """Margins of made-up frames by the GPU and by the CPU, and twice the same bytes on the GPU."""
    import numpy as np

    from scripts.fgclip.model.init import make_init
    from scripts.fgclip.scoring.prompts import read_prompts
    from scripts.fgclip.scoring.scorer import open_scorer

    prompts = read_prompts()
    texts = [text for sentences in (*prompts.anomalies.values(), prompts.normal) for text in sentences]
    make_init(folder / "fgclip", name="check", clip=CLIP, seed=0, num_frames=16, texts=texts)

    def scores(device: str) -> Any:
        scorer = open_scorer(folder / "fgclip", prompts, num_frames=16, top_k=4, batch=8, device=device)
        frames = np.random.default_rng(0).integers(0, 256, (20, *[scorer.image_size] * 2, 3), dtype=np.uint8)
        return scorer.score([scorer.encode(frames)], np.arange(20), 20)

    expected, found, again = scores("cpu"), scores(DEVICE), scores(DEVICE)
    farthest = 0.0
    for name in ("global_margins", "dense_margins", "margin_map", "class_logits", "video_logits"):
        values = getattr(found, name)
        assert np.array_equal(values, getattr(again, name)), f"{name}: other bytes the second time"
        farthest = max(farthest, float(np.abs(values - getattr(expected, name)).max()))
    assert farthest < SAME, f"{farthest:.1e} from the CPU's"
    return f"{farthest:.1e} from the CPU's at most"


CHECKS: tuple[Callable[[Path], str], ...] = (
    check_a_full_step_fits_in_24_gb,
    check_a_training_repeats_to_the_bit,
    check_bf16_is_near_fp32_and_keeps_float32_weights,
    check_scores_are_those_of_the_cpu,
)
