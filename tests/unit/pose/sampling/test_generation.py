import pytest
import torch
from torch import Tensor

from scripts.pose.nets.mardm import Mardm
from scripts.pose.sampling.generation import LatentGenerator, Sampling, generate
from scripts.pose.sampling.noise import Noise, caption_noise, stack
from tests.unit.pose.nets.golden_nets import distance, small_mardm
from tests.unit.pose.sampling.golden_runs import RUNS, Run, golden_batch, golden_run, unpruned

TOLERANCE = {"sit": 1e-3, "ddpm": 1e-4}
PRUNED_TOLERANCE = {"sit": 5e-3, "ddpm": 1e-4}  # SiT: upstream's solver takes other steps in other company
FIXED = {
    "midpoint": Sampling("sit", solver="midpoint", solver_steps=2),
    "rk4": Sampling("sit", solver="rk4", solver_steps=1),
    "ddpm": Sampling("ddpm"),
}


def pruned(run: Run, model: Mardm | None = None) -> Tensor:
    return generate(model or small_mardm(), run.text, run.surviving_noise(), run.sampling, lengths=run.lengths)


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("kind", ["sit", "ddpm"])
def test_sampling_every_masked_token_gives_the_golden_latents(kind: str, name: str) -> None:
    run = golden_run(kind, name)
    latents, masked = unpruned(small_mardm(), run)
    assert torch.equal(masked, run.masked)
    assert distance(latents, run.latents) < TOLERANCE[kind]


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("kind", ["sit", "ddpm"])
def test_sampling_the_surviving_tokens_gives_the_golden_latents(kind: str, name: str) -> None:
    run = golden_run(kind, name)
    assert distance(pruned(run), run.latents) < PRUNED_TOLERANCE[kind]


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("solver", ["midpoint", "rk4"])
def test_sampling_the_surviving_tokens_is_exact(solver: str, name: str) -> None:
    run = golden_run("sit", name).with_solver(solver)
    assert distance(pruned(run), unpruned(small_mardm(), run)[0]) < 5e-6


def test_unguided_latents_need_no_pass_without_text() -> None:
    class Watched(Mardm):
        def hidden(self, latents: Tensor, text: Tensor | None = None, padding: Tensor | None = None) -> Tensor:
            assert text is not None
            return super().hidden(latents, text, padding)

    model, run = small_mardm(), golden_run("sit", "A")
    watched = Watched(model.sizes)
    watched.load_state_dict(model.state_dict())
    run = Run(**{**vars(run), "sampling": Sampling("sit", cfg=1.0, solver="rk4", solver_steps=2)})
    with_both = Run(**{**vars(run), "sampling": Sampling("sit", cfg=1.0 + 1e-6, solver="rk4", solver_steps=2)})
    assert distance(pruned(run, watched), pruned(with_both, model)) < 1e-4


@pytest.mark.parametrize("solver", ["dopri5", "midpoint", "rk4"])
def test_the_golden_batch_comes_out_of_micro_batches_too(solver: str) -> None:
    run = golden_batch()
    generator = LatentGenerator(small_mardm(), run.with_solver(solver, 32).sampling, rows=4)
    assert distance(generator(run.text, run.surviving_noise()), run.latents) < 5e-3


def captions(n: int, n_tokens: int, *, ddpm: bool, first: int = 0) -> tuple[Tensor, Noise]:
    """Text vectors and noise of captions; number i is the same in every call."""
    names = [f"caption {number}" for number in range(first, first + n)]
    text = torch.stack([caption_noise(1, name, 0, 1, 40, ddpm=False).start[0] for name in names])
    return text, stack([caption_noise(2, name, 0, n_tokens, 32, ddpm=ddpm) for name in names])


def chosen(made: tuple[Tensor, Noise], places: list[int]) -> tuple[Tensor, Noise]:
    text, noise = made
    return text[places], Noise(
        order=noise.order[places], start=noise.start[places], steps=None if noise.steps is None else noise.steps[places]
    )


@pytest.mark.parametrize("n_tokens", [1, 3, 4, 7])
@pytest.mark.parametrize("name", FIXED)
def test_latents_depend_on_their_caption_alone(name: str, n_tokens: int) -> None:
    """Bit for bit, at other places, in other company, with fewer rows, in another micro-batch."""
    generator = LatentGenerator(small_mardm(), FIXED[name], rows=8)
    made = captions(16, n_tokens, ddpm=name == "ddpm")
    latents = generator(*made)
    assert latents.isfinite().all()
    for places in ([5], [0, 5, 3], [15, 2, 9, 5, 4, 11, 7, 0], [3, 1, 4, 1, 5, 9, 2, 6, 5, 3], list(range(15, -1, -1))):
        assert torch.equal(generator(*chosen(made, places)), latents[places]), places


@pytest.mark.parametrize("name", FIXED)
def test_a_caption_whose_text_is_not_finite_spoils_no_other(name: str) -> None:
    generator = LatentGenerator(small_mardm(), FIXED[name], rows=8)
    text, noise = captions(8, 4, ddpm=name == "ddpm")
    wanted = generator(text, noise)
    text[2, 7] = torch.nan
    latents = generator(text, noise)
    others = [0, 1, 3, 4, 5, 6, 7]
    assert not latents[2].isfinite().any()
    assert torch.equal(latents[others], wanted[others])


def test_dopri5_lets_one_bad_text_spoil_no_other_either() -> None:
    generator = LatentGenerator(small_mardm(), Sampling("sit", solver="dopri5"), rows=8)
    text, noise = captions(5, 4, ddpm=False)
    wanted = generator(text, noise)
    text[2, 7] = torch.nan
    latents = generator(text, noise)
    assert not latents[2].isfinite().any()
    assert distance(latents[[0, 1, 3, 4]], wanted[[0, 1, 3, 4]]) < 2e-3


def test_dopri5_is_near_whatever_goes_together() -> None:
    generator = LatentGenerator(small_mardm(), Sampling("sit", solver="dopri5"), rows=8)
    made = captions(8, 4, ddpm=False)
    assert distance(generator(*chosen(made, [6, 2])), generator(*made)[[6, 2]]) < 2e-3


def test_half_the_rows_give_nearly_the_same() -> None:
    generator = LatentGenerator(small_mardm(), FIXED["midpoint"], rows=8)
    made = captions(8, 4, ddpm=False)
    wanted = generator(*made)
    for rows in (4, 2, 1, 1):
        generator.halve()
        assert generator.rows == rows
        assert distance(generator(*made), wanted) < 1e-5


def test_micro_batches_have_a_power_of_two() -> None:
    with pytest.raises(ValueError, match="6 rows"):
        LatentGenerator(small_mardm(), FIXED["midpoint"], rows=6)


def test_ddpm_does_not_start_without_the_noise_of_its_steps() -> None:
    with pytest.raises(ValueError, match="ddpm=True"):
        LatentGenerator(small_mardm(), Sampling("ddpm"), rows=1)(*captions(1, 4, ddpm=False))


def test_padding_comes_out_as_zeros() -> None:
    run = golden_run("sit", "B").with_solver("midpoint")
    latents = pruned(run)
    assert [int((row.abs().sum(0) > 0).sum()) for row in latents] == run.lengths.tolist()
