from hypothesis import given
from hypothesis import strategies as st

from scripts.clip4mc.splits import SPLITS, split_samples

KEYS = st.lists(st.text("abc0123456789", min_size=1, max_size=12), unique=True, max_size=60)


def test_large_sets_are_split_80_10_10() -> None:
    splits, note = split_samples([f"sample_{number:06d}_x" for number in range(20_000)], mode="random", seed=42)
    assert [round(splits.count(split) / 20_000, 2) for split in SPLITS] == [0.8, 0.1, 0.1]
    assert note == ""


def test_the_whole_of_a_set_can_be_one_split() -> None:
    assert split_samples(["a", "b"], mode="all_train", seed=1) == (["train", "train"], "")
    assert split_samples(["a", "b"], mode="all_test", seed=1) == (["test", "test"], "")


def test_another_seed_gives_another_split() -> None:
    keys = [str(number) for number in range(200)]
    assert split_samples(keys, mode="random", seed=1)[0] != split_samples(keys, mode="random", seed=2)[0]


@given(keys=KEYS, seed=st.integers(0, 1000))
def test_from_three_samples_up_no_split_is_empty_and_the_note_says_what_moved(keys: list[str], seed: int) -> None:
    splits, note = split_samples(keys, mode="random", seed=seed)
    if len(keys) >= 3:
        assert set(splits) == set(SPLITS)
    plain = {key: split_samples([key], mode="random", seed=seed)[0][0] for key in keys}
    moved = [key for key, split in zip(keys, splits, strict=True) if plain[key] != split]
    assert bool(note) == bool(moved)
    assert len(moved) <= 2


@given(keys=KEYS, seed=st.integers(0, 1000))
def test_the_order_of_the_samples_moves_none(keys: list[str], seed: int) -> None:
    forward = dict(zip(keys, split_samples(keys, mode="random", seed=seed)[0], strict=True))
    backward = dict(zip(keys[::-1], split_samples(keys[::-1], mode="random", seed=seed)[0], strict=True))
    assert forward == backward


@given(keys=st.lists(st.integers(0, 10**6), unique=True, min_size=60, max_size=90))
def test_adding_samples_to_a_set_of_some_size_moves_none(keys: list[int]) -> None:
    groups = [f"sample_{key:06d}" for key in keys]
    before, note_before = split_samples(groups[:50], mode="random", seed=42)
    after, _ = split_samples(groups, mode="random", seed=42)
    if not note_before:
        assert after[:50] == before


def test_a_group_stays_together() -> None:
    videos = [f"video{number // 5}" for number in range(200)]
    splits, _ = split_samples(videos, mode="random", seed=42)
    assert all(len({splits[5 * video + clip] for clip in range(5)}) == 1 for video in range(40))
