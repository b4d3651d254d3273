import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from scripts.pose.figures.joints_picture import apart, joints_figure, main
from tests.unit.pose.figures.motions import KIT, T2M, clips, kit_pose, standing

MOTIONS = Path(__file__).parents[3] / "data" / "demo" / "pose" / "real_motion.npz"


def overlaps(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of texts that cover each other, and those that reach beyond the figure with "edge"."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    texts = [*figure.texts, *figure.axes[0].texts]
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts]
    edge = [(name, "edge") for name, box in boxes if box.x0 < 0 or box.y0 < 0 or box.x1 > 1100 or box.y1 > 940]
    return edge + [(one[0], other[0]) for one, other in itertools.combinations(boxes, 2) if one[1].overlaps(other[1])]


@pytest.mark.parametrize("clip", ["dance_b", "walk", "kick", "crawl"])
def test_all_joints_are_named_and_no_name_covers_another(clip: str) -> None:
    figure = joints_figure(clips()[clip][11], T2M)
    assert T2M.joint_names is not None
    named = sorted(text.get_text() for text in figure.axes[0].texts)
    assert named == sorted(f"{number}  {name}" for number, name in enumerate(T2M.joint_names))
    assert overlaps(figure) == []


def test_names_of_its_left_stand_at_the_right() -> None:
    for text in joints_figure(standing(), T2M).axes[0].texts:
        assert (text.get_position()[0] > 0) == ("left_" in text.get_text())


def test_joints_without_names_are_numbered() -> None:
    figure = joints_figure(kit_pose(), KIT)
    assert sorted(int(text.get_text()) for text in figure.axes[0].texts) == list(range(21))
    assert overlaps(figure) == []


@given(st.lists(st.floats(-2, 2), max_size=22).map(lambda heights: sorted(heights, reverse=True)), st.floats(0.01, 0.5))
def test_heights_come_apart_in_their_order_about_where_they_were(heights: list[float], least: float) -> None:
    placed = apart(heights, least)
    assert all(upper - lower >= least - 1e-9 for upper, lower in itertools.pairwise(placed))
    assert sum(placed) == pytest.approx(sum(heights), abs=1e-9)
    np.testing.assert_allclose(apart(placed, least), placed, atol=1e-9)  # nothing left to do


def test_heights_that_are_apart_stay_while_others_move() -> None:
    assert apart([1.0, 0.5, 0.45, 0.0], 0.1) == pytest.approx([1.0, 0.525, 0.425, 0.0])


def test_the_picture_of_the_documentation_is_made_by_its_command(tmp_path: Path) -> None:
    main(str(MOTIONS), "dance_b", "11", str(tmp_path / "joints.png"))
    assert (tmp_path / "joints.png").read_bytes().startswith(b"\x89PNG")
