"""The checks of training a Chinese CLIP on a GPU, in the form of `checks`.

They need numpy, safetensors, transformers, Pillow, lmdb and torch with CUDA. No checkpoint is at hand, so what is not
golden runs at full size with random weights.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.gpu import speaker_checks

why_no_gpu = speaker_checks.why_no_gpu
DEVICE = "cuda"
ARCHITECTURE = "ViT-B-16_RoBERTa-wwm-ext-base-chinese"
BATCH = 32  # of the checks; that of the times is the bench's


def new_learner(**changed: Any) -> tuple[Any, Callable[[int], Any]]:
    """A learner of full size on the device, and what takes its steps: gives the loss of a step by its number."""
    import torch

    from scripts.cnclip.model_files.architecture import random_model
    from scripts.cnclip.training.learner import Learner
    from scripts.shared.training.processes import Processes
    from tests.bench.cnclip.training_step import OPTIONS, SHORT, made_up_pairs

    options = replace(OPTIONS, batch_size=BATCH, **changed)
    model = random_model(ARCHITECTURE, 0).to(DEVICE)
    learner = Learner(model, options, Processes.single(DEVICE))
    pairs = made_up_pairs(BATCH, model.config.vision_config.image_size, SHORT).on(torch.device(DEVICE))
    return learner, lambda step: learner.learn(pairs, step, options.lr).total


def same_weights(one: Any, other: Any) -> bool:
    """Whether two learners have equal bits."""
    import torch

    found = one.model.state_dict(), other.model.state_dict()
    return all(torch.equal(value, found[1][name]) for name, value in found[0].items())


def check_gradients_are_upstreams(_: Path) -> str:
    """The golden gradients come out of the card, whole and in chunks."""
    import torch

    from scripts.cnclip.training.learner import Learner
    from scripts.shared.training.processes import Processes
    from tests.cnclip_models import golden_model
    from tests.unit.cnclip.training.golden_runs import golden, golden_pairs, gradients_of, options

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    wanted, largest = golden("accum_golden"), 0.0
    for chunk_size in (0, 2, 3):
        learner = Learner(golden_model().to(DEVICE), options(chunk_size=chunk_size), Processes.single(DEVICE))
        learner.optimizer.step = lambda: None
        learner.learn(golden_pairs().on(torch.device(DEVICE)), 0, 1e-3)
        found = gradients_of(learner.model)
        for name, norm in zip(wanted["grad_names"], wanted["full/grad_norms"], strict=True):
            if "attention.self.key.bias" not in name:
                largest = max(largest, abs(found[name].norm().item() / norm - 1))
    assert largest <= 1e-4, f"{largest:.1e} of a norm"
    return f"{largest:.1e} of a norm at most"


def check_chunks_are_as_the_whole(_: Path) -> str:
    """In fp32 and without dropout, the gradients of chunks are those of the whole batch."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    found = []
    for chunk_size in (0, BATCH // 4):
        learner, step = new_learner(precision="fp32", text_dropout=0.0, chunk_size=chunk_size)
        learner.optimizer.step = lambda: None
        loss = step(0).item()
        found.append((loss, torch.cat([value.grad.flatten() for value in learner.model.parameters()])))
    (one, whole), (other, chunks) = found
    apart = ((chunks - whole).norm() / whole.norm()).item()
    assert abs(one - other) < 1e-5, f"losses {one} and {other}"
    assert apart < 1e-4, f"gradients {apart:.1e} apart"
    return f"gradients {apart:.1e} apart"


def check_a_training_repeats_to_the_bit(_: Path) -> str:
    """Equal bits twice, and again after going on from a checkpoint; bf16, dropout, chunks and without."""
    from scripts.shared.training.determinism import make_deterministic

    make_deterministic(0)
    for chunk_size in (0, BATCH // 2):
        (one, step), (other, again) = (new_learner(chunk_size=chunk_size) for _ in range(2))
        for number in range(3):
            step(number)
        for number in range(2):
            again(number)
        value = other.checkpoint(epoch=0, step=2, name="check")
        resumed, later = new_learner(chunk_size=chunk_size)
        resumed.restore(value, where="check")
        for last in (again, later):
            last(2)
        assert same_weights(one, other), f"chunks of {chunk_size}: a second training gives other bits"
        assert same_weights(one, resumed), f"chunks of {chunk_size}: going on gives other bits"
    return "3 steps, chunks and without"


def check_bf16_is_near_fp32(_: Path) -> str:
    """The loss of the first steps, by both precisions."""
    losses = []
    for precision in ("fp32", "bf16"):
        _learner, step = new_learner(precision=precision, text_dropout=0.0)
        losses.append([step(number).item() for number in range(3)])
    apart = max(abs(one - other) for one, other in zip(*losses, strict=True))
    assert 0 < apart < 0.1, f"losses {losses}"
    return f"{apart:.1e} apart"


def check_memory_and_time_of_a_step(_: Path) -> str:
    """A step takes less memory than upstream's order of work; nothing fails here for being slow."""
    from scripts.shared.training.determinism import make_deterministic
    from tests.bench.cnclip.training_step import OPTIONS, take_turns, ways

    make_deterministic(0)
    chosen = ways(replace(OPTIONS, batch_size=4 * BATCH), architecture=ARCHITECTURE)[:3]
    taken = take_turns(chosen, DEVICE, n_steps=5, rounds=2)
    for way, found in zip(chosen[1:], taken[1:], strict=True):
        assert DEVICE == "cpu" or found.gib < taken[0].gib, f"{way.name}: {found.gib:.2f} GiB, {taken[0].gib:.2f}"
    told = (f"{way.name} {one.step_ms:.1f} ms, {one.gib:.2f} GiB" for way, one in zip(chosen, taken, strict=True))
    return "; ".join(told)


CHECKS: tuple[Callable[[Path], str], ...] = (
    check_gradients_are_upstreams,
    check_chunks_are_as_the_whole,
    check_a_training_repeats_to_the_bit,
    check_bf16_is_near_fp32,
    check_memory_and_time_of_a_step,
)
