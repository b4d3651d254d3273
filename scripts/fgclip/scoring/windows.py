"""The windows in which a model sees the scored frames of a video: as long as in training, overlapping by half."""


def window_starts(n: int, length: int) -> list[int]:
    """First frames of the windows over n frames, ascending; they cover all, and none reaches beyond the end.

    Args:
        n: frames, at least 1.
        length: of a window; of one alone where n is not more.
    """
    last = max(0, n - length)
    return [*range(0, last, max(1, length // 2)), last]
