"""Milliseconds and memory of a training step at B/16 on one GPU: upstream's order of work, and ours.

Needs torch with CUDA and transformers. Nothing is imported before it is needed, so that the checks run anywhere.
"""

from dataclasses import replace

from tests.bench.table import Cell, NotMeasured, Table
from tests.gpu.speaker_checks import why_no_gpu

BATCHES = (128, 256, 512)
N_STEPS, ROUNDS = 10, 3
EMPTY = Table(
    title="Training of Chinese CLIP on the GPU",
    about="A step of ViT-B/16 with RoBERTa-base, random weights, bf16 autocast over float32 weights, AdamW, dropout "
    "0.1 in the text encoder; pinned pictures and tokens on the host at its beginning, weights changed at its end; "
    f"fastest of {ROUNDS} rounds of {N_STEPS} steps in turn. Upstream's order of work "
    "(`tests/bench/cnclip/upstream_step.py`, which gives its golden features): nn.MultiheadAttention, attention of "
    "BERT by softmax and products, float32 pixels from the host, all 52 tokens of every text, the numbers of the log "
    "line read in every step, algorithms chosen for speed. Ours: as `scripts/cnclip/training` trains, with algorithms "
    "that repeat to the bit. "
    "Memory: most that tensors took of the GPU in a step, in GiB.",
    columns=["way", "pairs", "ms a step", "upstream's / this", "pairs a second", "GPU GiB", "GiB less than upstream's"],
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

    from tests.bench.cnclip.training_step import ARCHITECTURE

    return replace(
        EMPTY,
        rows=rows("cuda", ARCHITECTURE, BATCHES, n_steps=N_STEPS, rounds=ROUNDS),
        notes=[f"On one {torch.cuda.get_device_name()}."],
        versions={"torch": torch.__version__},
    )


def rows(device: str, architecture: str, batches: tuple[int, ...], *, n_steps: int, rounds: int) -> list[list[Cell]]:
    """A row for each way and batch.

    Args:
        device: such as "cuda".
        architecture: of the model.
        batches: numbers of pairs.
        n_steps: counted in each round.
        rounds: of all ways in turn.
    """
    from scripts.shared.training.determinism import make_deterministic
    from tests.bench.cnclip.training_step import OPTIONS, take_turns, ways

    table: list[list[Cell]] = []
    make_deterministic(0)
    for batch in batches:
        chosen = ways(replace(OPTIONS, batch_size=batch), architecture=architecture)
        taken = take_turns(chosen, device, n_steps=n_steps, rounds=rounds)
        baseline = taken[0]
        for way, found in zip(chosen, taken, strict=True):
            ratio = round(baseline.step_ms / found.step_ms, 2)
            rate = round(1e3 * batch / found.step_ms)
            table.append([way.name, batch, found.step_ms, ratio, rate, found.gib, baseline.gib - found.gib])
    return table
