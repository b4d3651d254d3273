"""Which found boundary stands for which true one."""

from collections.abc import Sequence


def match(found: Sequence[int], truth: Sequence[int], tolerance: int) -> list[tuple[int, int]]:
    """Pair boundaries at most `tolerance` files apart, each at most once, as many as can be.

    Args:
        found: ascending indices without the ends.
        truth: likewise.
        tolerance: in files.

    Returns:
        (found, true) indices, ascending.
    """
    pairs: list[tuple[int, int]] = []
    one = other = 0
    while one < len(found) and other < len(truth):
        if abs(found[one] - truth[other]) <= tolerance:
            pairs.append((found[one], truth[other]))
            one, other = one + 1, other + 1
        elif found[one] < truth[other]:
            one += 1
        else:
            other += 1
    return pairs
