import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from scripts.pose.figures.contact_sheet import choose_poses, contact_sheet_png, name_lines
from tests.unit.pose.figures.motions import KIT, T2M, clips, kit_pose, standing

CELL, TOP, EDGE = 180, 70, 12


def pixels(content: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(content)))


def test_poses_that_are_added_displace_few_of_those_chosen() -> None:
    keys = [f"pose_{number}" for number in range(1_000)]
    chosen = choose_poses(keys, seed=42)
    assert len(chosen) == 60
    assert chosen == [key for key in keys if key in chosen]
    assert choose_poses(keys[::-1], seed=42) == chosen[::-1]
    assert choose_poses(keys, seed=43) != chosen
    more = choose_poses([*keys, *(f"new_{number}" for number in range(100))], seed=42)
    assert 45 <= len(set(more) & set(chosen)) < 60
    assert choose_poses(keys[:7], seed=42) == keys[:7]


@pytest.mark.parametrize(("n_poses", "columns", "rows"), [(1, 5, 1), (7, 7, 1), (10, 10, 1), (23, 10, 3)])
def test_poses_stand_in_rows_of_ten(n_poses: int, columns: int, rows: int) -> None:
    sheet = pixels(contact_sheet_png({f"pose {n}": standing() for n in range(n_poses)}, T2M, title="pose demo"))
    assert sheet.shape[1] == columns * CELL + 2 * EDGE
    assert (sheet.shape[0] - TOP - EDGE) % rows == 0
    row_height = (sheet.shape[0] - TOP - EDGE) // rows
    assert row_height == 224
    for number in range(columns * rows):
        top, left = TOP + number // columns * row_height, EDGE + number % columns * CELL
        coloured = np.ptp(sheet[top : top + CELL, left : left + CELL].astype(int), axis=2).max() > 100
        assert coloured == (number < n_poses)


def test_a_sheet_shows_each_pose_and_equal_poses_give_equal_bytes() -> None:
    poses = {"standing": standing(), "jump": clips()["jump"][3]}
    first = contact_sheet_png(poses, T2M, title="pose demo")
    assert contact_sheet_png(poses, T2M, title="pose demo") == first
    assert contact_sheet_png({**poses, "jump": standing()}, T2M, title="pose demo") != first
    assert contact_sheet_png(poses, T2M, title="pose demo: poses of a toy") != first
    assert contact_sheet_png({"kit": kit_pose()}, KIT, title="pose demo").startswith(b"\x89PNG")


def test_no_name_reaches_the_pose_beside_it() -> None:
    names = ["W" * 200, "a_person_" * 20, "中文" * 30, "\U0001f44b" * 9]
    sheet = pixels(contact_sheet_png({name: standing() for name in names}, T2M, title="pose demo"))
    under = sheet[TOP + CELL : -EDGE]
    assert (under < 255).any()
    for edge in range(EDGE, sheet.shape[1], CELL):
        assert (under[:, edge - 1 : edge + 1] == 255).all()


def test_a_sheet_without_poses_says_so() -> None:
    sheet = pixels(contact_sheet_png({}, T2M, title="pose demo"))
    assert (sheet[TOP : TOP + CELL] < 255).any()
    assert np.ptp(sheet.astype(int), axis=2).max() == 0  # words, no figure


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("waving", ["waving"]),
        ("a" * 26, ["a" * 26]),
        ("a" * 30, ["a" * 26, "aaaa"]),
        ("a" * 53, ["a" * 26, "a" * 23 + "..."]),
        ("", []),
    ],
)
def test_names_fill_their_two_lines(name: str, lines: list[str]) -> None:
    assert name_lines(name) == lines
