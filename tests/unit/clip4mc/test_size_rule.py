import pytest

from scripts.clip4mc.size_rule import fit_sizes


def test_a_list_of_the_right_length_stays_as_it_is() -> None:
    assert fit_sizes([0.1, 0.2, 0.3], 3, 0.5) == [0.1, 0.2, 0.3]


def test_a_longer_list_is_thinned_evenly() -> None:
    assert fit_sizes([0.0, 0.1, 0.2, 0.3, 0.4, 0.5], 3, 0.5) == [0.0, 0.2, 0.5]


def test_a_shorter_list_repeats_its_last_value() -> None:
    assert fit_sizes([0.1, 0.9], 4, 0.5) == [0.1, 0.9, 0.9, 0.9]


@pytest.mark.parametrize("missing", [None, []])
def test_a_missing_size_is_the_default(missing: list[float] | None) -> None:
    assert fit_sizes(missing, 2, 0.25) == [0.25, 0.25]


def test_whole_numbers_become_floats() -> None:
    assert all(type(size) is float for size in fit_sizes([0, 1], 4, 0.5))
