"""One evaluation of the denoiser in every step of a batch, on one thread, and what its CPU seconds are.

python -m tests.bench.pose.one_evaluation upstream CHECKPOINTS LAYERS          MARDM's order of work, a batch of 8
python -m tests.bench.pose.one_evaluation ours MODEL ROWS [TOKENS TIME_STEPS]  a micro-batch of ours

A solver evaluates some dozens of times in each step; nothing else that a step does is done more than once. LAYERS is
`torch`, or `ours` for linear layers as our sampling has them. Prints JSON: `poses`; `tokens` sampled, in all steps
together; `evaluations_s` and `rest_s`.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scripts.pose.model_files.header import read_header
from scripts.pose.model_files.model_file import load_model
from scripts.pose.nets.autoencoder import AutoEncoder
from scripts.pose.nets.diff_mlp import guided_field
from scripts.pose.nets.loading import load_state
from scripts.pose.nets.mardm import Mardm, MardmSizes
from scripts.pose.sampling.generation import LatentGenerator, Sampling, generate
from scripts.pose.sampling.linear_layers import OneDnnLinear, replace_linears
from scripts.pose.sampling.noise import caption_noise, stack
from scripts.pose.skeleton import SKELETONS
from tests.bench.pose import upstream_order

TOKENS, TIME_STEPS = 4, 18  # of 16 frames


class Watch:
    """CPU seconds of evaluations, and the tokens that went through them."""

    def __init__(self) -> None:
        self.seconds, self.n_tokens = 0.0, 0

    def evaluate(self, field: Any, *inputs: Tensor, n_tokens: int) -> Tensor:
        started = time.process_time()
        velocity: Tensor = field(*inputs)
        self.seconds += time.process_time() - started
        self.n_tokens += n_tokens
        return velocity


def upstream(checkpoints: Path, layers: str) -> dict[str, float]:
    """A batch as MARDM makes it; the files are read whole, as its scripts do."""
    torch.set_num_threads(1)
    model = load_checkpoints(checkpoints)
    if layers == "ours":
        replace_linears(model.denoiser, OneDnnLinear)
    text = torch.randn(upstream_order.BATCH, model.sizes.text, generator=torch.Generator().manual_seed(1))

    def make(watch: Watch, time_steps: int) -> None:
        def solve(field: upstream_order.Field, x: Tensor) -> Tensor:
            return x + watch.evaluate(field, torch.zeros(()), x, n_tokens=len(x) // 2)

        upstream_order.generate(model, text, TOKENS, solve, time_steps=time_steps)

    return measure(make, TIME_STEPS, n_poses=len(text))


def load_checkpoints(checkpoints: Path) -> Mardm:
    """MARDM, and its autoencoder that waits in memory for its turn, from files of the official layout."""
    place = checkpoints / "t2m"
    autoencoder = AutoEncoder(SKELETONS["t2m"].n_features)
    state = torch.load(place / "AE" / "model" / "latest.tar", weights_only=True)
    load_state(autoencoder, state["ae"], where="ae")
    model = Mardm(MardmSizes())
    state = torch.load(place / "MARDM_SiT_XL" / "model" / "latest.tar", weights_only=True)
    load_state(model, state["ema_mardm"], where="mardm")
    return model


def ours(path: Path, rows: int, n_tokens: int = TOKENS, time_steps: int = TIME_STEPS) -> dict[str, float]:
    """A micro-batch of our sampling."""
    identity = read_header(path).identity
    model = load_model(path, kind="sit", skeleton="t2m", identity=identity, device="cpu").mardm
    sampling = Sampling("sit", time_steps=time_steps)
    LatentGenerator(model, sampling, rows=rows)  # settles threads and layers
    text = torch.randn(rows, model.sizes.text, generator=torch.Generator().manual_seed(1))
    channels = model.sizes.latent
    noise = stack([caption_noise(2, f"caption {i}", 0, n_tokens, channels, ddpm=False) for i in range(rows)])

    def make(watch: Watch, time_steps: int) -> None:
        def sample(start: Tensor, _: Tensor | None, z_text: Tensor, z_none: Tensor | None) -> Tensor:
            field = guided_field(model.denoiser, z_text, z_none, sampling.cfg)
            return start + watch.evaluate(field, start, torch.zeros(()), n_tokens=len(start))

        generate(model, text, noise, replace(sampling, time_steps=time_steps), sample=sample)

    return measure(make, time_steps, n_poses=rows)


def measure(make: Callable[[Watch, int], None], time_steps: int, *, n_poses: int) -> dict[str, float]:
    """Make a batch, after one step that brings weights to memory and layers to their kernels."""
    make(Watch(), 1)
    watch = Watch()
    started = time.process_time()
    make(watch, time_steps)
    rest_s = time.process_time() - started - watch.seconds
    return {"poses": n_poses, "tokens": watch.n_tokens, "evaluations_s": watch.seconds, "rest_s": rest_s}


if __name__ == "__main__":
    way, path, *rest = sys.argv[1:]
    told = upstream(Path(path), *rest) if way == "upstream" else ours(Path(path), *map(int, rest))
    print(json.dumps(told))
