from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.cnclip.data.ranges import byte_range, n_shards


@settings(derandomize=True, deadline=None)
@given(size=st.integers(0, 10**12), n=st.integers(1, 500))
def test_ranges_follow_each_other_and_cover_the_file(size: int, n: int) -> None:
    ranges = [byte_range(shard, n, size) for shard in range(n)]
    assert ranges[0][0] == 0
    assert ranges[-1][1] == size
    assert all(before[1] == after[0] for before, after in pairwise(ranges))


def test_an_empty_file_has_one_shard_and_a_larger_one_as_many_as_hold_it() -> None:
    assert [n_shards(size, 100) for size in (0, 1, 100, 101)] == [1, 1, 1, 2]
