"""Whether the largest margin is in the box."""

import numpy as np

from scripts.fgclip.data.records import Key, Region
from scripts.fgclip.evaluation.pointing import point, point_all
from tests.unit.fgclip.evaluation.made import region
from tests.unit.fgclip.scoring.made_scores import made_scores


def at(*places: tuple[int, int], grid: int = 2) -> np.ndarray:
    margins = np.zeros((len(places), grid, grid))
    for one, (row, column) in zip(margins, places, strict=True):
        one[row, column] = 1
    return margins


def test_a_frame_is_hit_where_its_largest_margin_lies_in_the_box() -> None:
    scores = made_scores(n_frames=16, margin_map=at((0, 0), (0, 0), (1, 0), (0, 1)))
    found = point(scores, [region(4, 15)])  # frames 4, 8 and 12 are annotated, the box is the first place
    assert (found.n_frames, found.n_hits) == (3, 1)
    assert found.chance == 3 * 0.25


def test_rows_are_heights_and_columns_widths() -> None:
    wide = Region("", 0, 3, (Key(0, 0.0, 0.0, 1.0, 0.25, True), Key(3, 0.0, 0.0, 1.0, 0.25, True)))
    assert point(made_scores(n_frames=4, margin_map=at((0, 3), grid=4)), [wide]).n_hits == 1
    assert point(made_scores(n_frames=4, margin_map=at((3, 0), grid=4)), [wide]).n_hits == 0


def test_any_of_several_boxes_will_do() -> None:
    lower = Region("", 0, 3, (Key(0, 0.0, 0.5, 1.0, 1.0, True), Key(3, 0.0, 0.5, 1.0, 1.0, True)))
    found = point(made_scores(n_frames=4, margin_map=at((1, 1))), [region(0, 3), lower])
    assert (found.n_frames, found.n_hits, found.chance) == (1, 1, 0.75)


def test_frames_whose_box_is_out_of_sight_are_not_asked() -> None:
    """Defect D2 of the guide's program: it ignores `enabled`."""
    hidden = Region("", None, None, (Key(0, 0, 0, 1, 1, False), Key(8, 0, 0, 1, 1, True), Key(12, 0, 0, 1, 1, False)))
    assert point(made_scores(n_frames=16), [hidden]).n_frames == 1


def test_a_single_keyframe_counts_at_the_scored_frame_that_stands_for_it() -> None:
    """Defect D4 of the guide's program: a single keyframe is almost never valid there."""
    single = Region("", None, None, (Key(6, 0, 0, 1, 1, True),))
    assert point(made_scores(n_frames=16), [single]).n_frames == 1


def test_videos_without_a_box_at_a_scored_frame_are_left_out() -> None:
    scores = {"a": made_scores(n_frames=16), "b": made_scores(n_frames=16), "c": made_scores(n_frames=16)}
    between = Region("", 5, 7, (Key(5, 0, 0, 1, 1, True), Key(7, 0, 0, 1, 1, True)))
    assert set(point_all(scores, {"a": (region(4, 8),), "b": (between,), "z": ()})) == {"a"}
