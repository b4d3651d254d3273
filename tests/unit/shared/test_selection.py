"""`select:` is a pure function of keys and seed, and the keyed hash never changes."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.shared.errors import ConfigError
from scripts.shared.selection import Selection, choose, keyed_hash, parse_selection

KEYS = [f"sample_{number:06d}_v" for number in range(40)]

lawful = settings(derandomize=True, deadline=None, max_examples=200)
some_keys = st.lists(st.text(max_size=12), unique=True, max_size=60)
seeds = st.integers(-(2**70), 2**70)


def select(keys: list[str], text: str | list[str], seed: int = 42) -> list[int]:
    return list(choose(keys, select=text, seed=seed))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all", Selection("all")),
        ("first:1000", Selection("first", count=1000)),
        ("range:1000-2000", Selection("range", start=1000, stop=2000)),
        ("random:100", Selection("random", count=100)),
        ("file:names.txt", Selection("file", path=Path("names.txt"))),
        ("file:a folder/range:1-2.txt", Selection("file", path=Path("a folder/range:1-2.txt"))),
        (" first:1 ", Selection("first", count=1)),
        (["all", "b"], Selection("keys", keys=("all", "b"))),
    ],
)
def test_each_form_is_read(text: str | list[str], expected: Selection) -> None:
    assert parse_selection(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "All", "none", "1000", "first", "first:", "first:-1", "first:1.5", "first:1e3", "first: 5"),
        *("first:1_000", "first:\u0661", "range:5", "range:5-", "range:-5", "range:1-2-3", "random:x"),
        *("file:", "file: ", "last:5", "first:5,random:3", "first:" + "9" * 5000),
    ],
)
def test_other_forms_are_refused_with_the_allowed_ones(text: str) -> None:
    with pytest.raises(ConfigError, match="allowed forms: all, first:1000, range:1000-2000, random:100, file:"):
        parse_selection(text)


@pytest.mark.parametrize("text", ["first:0", "random:0", "range:5-5", "range:6-5"])
def test_a_selection_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=f"{text}' keeps no sample"):
        parse_selection(text)


def test_a_list_of_names_keeps_them_in_list_order_each_once() -> None:
    assert select(KEYS, [KEYS[7], KEYS[3], KEYS[7]]) == [3, 7]


def test_a_list_of_no_names_is_refused() -> None:
    with pytest.raises(ConfigError, match="select: the list names no sample"):
        parse_selection([])


def test_listed_names_that_do_not_exist_are_named() -> None:
    with pytest.raises(ConfigError, match=r"select: 2 of 3 names are no sample .* such as ' a', 'first:1'"):
        select(["a", "b"], ["a", " a", "first:1"])


def test_positions_are_zero_based_and_the_end_is_left_out() -> None:
    assert select(KEYS, "all") == list(range(40))
    assert select(KEYS, "first:3") == [0, 1, 2]
    assert select(KEYS, "range:2-5") == [2, 3, 4]


def test_what_reaches_past_the_list_keeps_what_is_there() -> None:
    assert select(KEYS, "first:999") == list(range(40))
    assert select(KEYS, "random:999") == list(range(40))
    assert select(KEYS, "range:38-999") == [38, 39]
    assert select(KEYS, "range:100-200") == []
    assert select([], "random:5") == []


def test_the_keyed_hash_is_what_it_always_was() -> None:
    # blake2b of b"42\0sample_000000_v" and so on, by `b2sum -l 64`.
    assert keyed_hash(42, "sample_000000_v") == 0x979B6A3F26A9C843
    assert keyed_hash(-1, "") == 0x394224D0CECA2823
    assert keyed_hash(3407, "猫") == 0x3A54FD2050AA365C


def test_the_random_selection_is_what_it_always_was() -> None:
    assert select(KEYS, "random:5") == [14, 16, 17, 38, 39]
    assert select(KEYS, "random:5", seed=43) == [5, 18, 20, 32, 33]


@lawful
@given(seed=seeds, key=st.text(alphabet=st.characters()))
def test_the_keyed_hash_has_64_bits_for_any_seed_and_key(seed: int, key: str) -> None:
    assert 0 <= keyed_hash(seed, key) < 2**64
    assert keyed_hash(seed, key) == keyed_hash(seed, key)


def test_the_keyed_hash_takes_names_that_are_no_utf8() -> None:
    assert keyed_hash(1, "a\udcff") != keyed_hash(1, "a\udcfe")


def test_seed_and_key_do_not_run_into_each_other() -> None:
    pairs = [(1, "23"), (12, "3"), (123, ""), (-1, "23"), (1, "\x0023")]
    assert len({keyed_hash(seed, key) for seed, key in pairs}) == len(pairs)


def test_the_keyed_hash_is_spread_evenly() -> None:
    low = sum(keyed_hash(0, str(number)) < 2**63 for number in range(10_000))
    assert 4_800 < low < 5_200


@lawful
@given(keys=some_keys, count=st.integers(1, 70), seed=seeds)
def test_random_keeps_that_many_in_list_order(keys: list[str], count: int, seed: int) -> None:
    kept = select(keys, f"random:{count}", seed)
    assert len(kept) == min(count, len(keys))
    assert kept == sorted(set(kept))


@lawful
@given(keys=some_keys, count=st.integers(1, 70), seed=seeds, order=st.randoms(use_true_random=False))
def test_random_depends_on_no_order(keys: list[str], count: int, seed: int, order: object) -> None:
    shuffled = list(keys)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    kept = {keys[position] for position in select(keys, f"random:{count}", seed)}
    assert {shuffled[position] for position in select(shuffled, f"random:{count}", seed)} == kept


@lawful
@given(keys=some_keys, added=st.text(max_size=12), count=st.integers(1, 70), seed=seeds)
def test_a_key_added_displaces_at_most_one(keys: list[str], added: str, count: int, seed: int) -> None:
    before = {keys[position] for position in select(keys, f"random:{count}", seed)}
    longer = [*keys, *([added] if added not in keys else [])]
    after = {longer[position] for position in select(longer, f"random:{count}", seed)}
    assert len(before - after) <= 1
    assert after - before <= {added}


@lawful
@given(keys=some_keys, count=st.integers(1, 60), seed=seeds)
def test_a_larger_random_holds_the_smaller(keys: list[str], count: int, seed: int) -> None:
    smaller, larger = (select(keys, f"random:{n}", seed) for n in (count, count + 5))
    assert set(smaller) <= set(larger)


def test_seeds_select_differently() -> None:
    keys = [str(number) for number in range(1_000)]
    assert len({tuple(select(keys, "random:10", seed)) for seed in range(50)}) == 50


def test_equal_keys_are_told_apart_by_position() -> None:
    assert select(["a"] * 5, "random:3") == [0, 1, 2]


@pytest.fixture
def names(tmp_path: Path) -> Callable[[bytes], str]:
    def write(content: bytes) -> str:
        (tmp_path / "names.txt").write_bytes(content)
        return f"file:{tmp_path / 'names.txt'}"

    return write


def test_a_file_of_names_keeps_them_in_list_order(names: Callable[[bytes], str]) -> None:
    text = names(b"\xef\xbb\xbf# mine\r\n" + KEYS[7].encode() + b"\r\n\n  " + KEYS[3].encode() + b"  \n")
    assert select(KEYS, text) == [3, 7]


def test_a_name_listed_twice_is_kept_once(names: Callable[[bytes], str]) -> None:
    assert select(["a", "b"], names(b"b\nb\n")) == [1]


def test_a_name_holds_any_character_but_a_line_end(names: Callable[[bytes], str]) -> None:
    odd = "clip one\u2028#2\x0b猫"
    assert select(["a", odd], names(odd.encode())) == [1]


def test_names_that_do_not_exist_are_counted_and_the_first_three_named(
    names: Callable[[bytes], str],
) -> None:
    text = names(b"\n".join([b"zz", KEYS[0].encode(), b"yy", b"xx", b"ww"]))
    with pytest.raises(ConfigError, match=r"names\.txt: 4 of 5 names .* such as 'zz', 'yy', 'xx';"):
        select(KEYS, text)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "lists no name"), (b"# a\n\n", "lists no name"), (b"\xff\n", "is not UTF-8")],
)
def test_a_file_without_names_is_refused(names: Callable[[bytes], str], content: bytes, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        select(KEYS, names(content))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.txt cannot be read \(No such file"):
        select(KEYS, f"file:{tmp_path / 'gone.txt'}")
    with pytest.raises(ConfigError, match=r"cannot be read \(Is a directory"):
        select(KEYS, f"file:{tmp_path}")


def test_random_takes_at_most_128_bytes_a_key() -> None:
    keys = [str(number) for number in range(200_000)]
    tracemalloc.start()
    kept = select(keys, "random:1000")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(kept) == 1_000
    assert peak < 128 * len(keys)
