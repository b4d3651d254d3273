"""Which test videos are shown: the best and the worst of each class and the normal ones of the highest scores."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest


@dataclass(frozen=True)
class Judged:
    """How well a video's own frames were told apart.

    Args:
        key: of the video.
        category: its class.
        anomalous: whether anything happens in it.
        auc: of its frames, 0 to 1; None where they are all of one kind.
        peak: its highest score.
    """

    key: str
    category: str
    anomalous: bool
    auc: float | None
    peak: float


def choose(videos: Iterable[Judged], *, most: int) -> dict[str, str]:
    """Choose videos to show, in turn the best of a class, the worst of one and the normal one of the highest score.

    Args:
        videos: those that were scored.
        most: videos at most.

    Returns:
        Why each was chosen, by key, in the order of the choice. It depends on the videos alone, not on their order.
    """
    ordered = sorted(videos, key=lambda video: video.key)
    told = [video for video in ordered if video.anomalous and video.auc is not None]
    by_class: dict[str, list[Judged]] = {}
    for video in sorted(told, key=lambda video: -_auc(video)):
        by_class.setdefault(video.category, []).append(video)
    best = sorted((group[0] for group in by_class.values()), key=lambda video: -_auc(video))
    worst = sorted((group[-1] for group in by_class.values() if len(group) > 1), key=_auc)
    normal = sorted((video for video in ordered if not video.anomalous), key=lambda video: -video.peak)
    # A video that is anomalous from its first frame to its last, or of which no frame between was scored.
    untold = [video for video in ordered if video.anomalous and video.auc is None]
    chosen: dict[str, str] = {}
    for key, why in (
        *_in_turn(
            [(video.key, f"best of {video.category}") for video in best],
            [(video.key, f"worst of {video.category}") for video in worst],
            # Whether that is a false alarm is the threshold's to say.
            [(video.key, f"normal, number {place} by its highest score") for place, video in enumerate(normal, 1)],
        ),
        *((video.key, "anomalous throughout") for video in untold),
    ):
        if len(chosen) < most:
            chosen.setdefault(key, why)
    return chosen


def _auc(video: Judged) -> float:
    return video.auc or 0.0


def _in_turn(*lists: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    return (one for together in zip_longest(*lists) for one in together if one)
