import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scripts.pose.sampling.noise import Noise, caption_noise, stack

ORDER = [0.7559830546379089, 0.39688485860824585, 0.6399432420730591, 0.9479313492774963]
START = [-0.9881172180175781, 0.3039529621601105, -1.251663327217102]
STEPS = [-1.6842644214630127, 0.6411869525909424]


def noise(caption: str = "A person waving", *, seed: int = 3407, repeat: int = 0, ddpm: bool = False) -> Noise:
    return caption_noise(seed, caption, repeat, 4, 512, ddpm=ddpm)


def test_noise_is_the_same_on_every_day() -> None:
    """Drawn once and written down: other numbers would change every pose that was ever made."""
    made = noise(ddpm=True)
    assert made.order.tolist() == pytest.approx(ORDER, abs=0)
    assert made.start[1, :3].tolist() == pytest.approx(START, abs=0)
    assert made.steps is not None
    assert made.steps[49, 3, -2:].tolist() == pytest.approx(STEPS, abs=0)


def test_noise_depends_on_caption_seed_and_repeat_alone() -> None:
    torch.manual_seed(1)
    first = noise()
    torch.rand(7)
    assert torch.equal(noise().start, first.start)
    others = [
        noise("A person waving."),
        noise(seed=3408),
        noise(repeat=1),
        caption_noise(34, "7", 0, 4, 512, ddpm=False),
    ]
    assert len({float(made.start[0, 0]) for made in [first, *others]}) == 5


def test_noise_for_ddpm_begins_like_that_for_sit() -> None:
    with_steps, without = noise(ddpm=True), noise()
    assert torch.equal(with_steps.order, without.order)
    assert torch.equal(with_steps.start, without.start)
    assert without.steps is None


def test_noise_is_standard_normal_and_order_uniform() -> None:
    made = caption_noise(0, "x", 0, 400, 512, ddpm=False)
    assert float(made.start.mean()) == pytest.approx(0, abs=0.01)
    assert float(made.start.std()) == pytest.approx(1, abs=0.01)
    assert 0 <= float(made.order.min()) < 0.01
    assert 0.99 < float(made.order.max()) < 1
    assert made.start.dtype == made.order.dtype == torch.float32


@given(caption=st.text(st.characters(), max_size=20))
def test_every_caption_has_noise(caption: str) -> None:
    assert caption_noise(1, caption, 0, 1, 2, ddpm=False).start.isfinite().all()


def test_a_caption_with_half_a_surrogate_pair_has_noise_too() -> None:
    assert noise("\ud83d").start.isfinite().all()


@pytest.mark.parametrize("ddpm", [False, True])
def test_a_stack_holds_each_sequence_at_its_place(ddpm: bool) -> None:
    parts = [noise(caption, ddpm=ddpm) for caption in "abc"]
    batch = stack(parts)
    assert batch.order.shape == (3, 4)
    assert torch.equal(batch.start[1], parts[1].start)
    if ddpm:
        assert batch.steps is not None
        assert parts[2].steps is not None
        assert torch.equal(batch.steps[2], parts[2].steps)
    else:
        assert batch.steps is None
