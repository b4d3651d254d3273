import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.pose.figures.contact_sheet import contact_sheet_png
from scripts.pose.figures.report_pictures import draw_samples, write_contact_sheet, write_preview
from scripts.pose.figures.views import views_png
from scripts.pose.index_file import write_index_file
from scripts.pose.pose_files import array_npy
from scripts.shared.errors import JobError
from tests.unit.pose.figures.motions import T2M, clips, standing


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """A dataset with two poses of one caption, and a caption that has none."""
    for folder in ("poses", "motions"):
        (tmp_path / folder).mkdir()
    (tmp_path / "poses/waving.npy").write_bytes(array_npy(standing()))
    (tmp_path / "poses/waving-r2.npy").write_bytes(array_npy(clips()["jump"][3]))
    (tmp_path / "motions/waving.npy").write_bytes(array_npy(clips()["jump"][:3]))
    files = [f"poses/{pose}.{suffix}" for suffix in ("npy", "json", "png") for pose in ("waving", "waving-r2")]
    made = {"caption": "A person waving", "name": "waving", "files": " ".join(files), "status": "ok"}
    write_index_file(tmp_path / "index.csv", [made, {"caption": "x", "name": "x", "status": "failed"}])
    return tmp_path / "index.csv"


def test_the_sheet_of_a_dataset_shows_each_finished_pose(index: Path) -> None:
    path = index.parent / "figures/sheet.png"
    write_contact_sheet(index, path, skeleton="t2m", seed=1, title="pose x")
    both = {"waving": standing(), "waving-r2": clips()["jump"][3]}
    assert path.read_bytes() == contact_sheet_png(both, T2M, title="pose x")


def test_a_preview_shows_its_pose_under_the_caption_or_its_whole_motion(index: Path) -> None:
    views, motion = index.parent / "previews/waving_views.png", index.parent / "previews/waving_motion.webp"
    write_preview(index, views, pose="waving", what="views", skeleton="t2m")
    assert views.read_bytes() == views_png(standing(), T2M, "A person waving")
    write_preview(index, motion, pose="waving", what="motion", skeleton="t2m")
    assert getattr(Image.open(io.BytesIO(motion.read_bytes())), "n_frames", 1) == 3


def test_a_pose_that_was_not_made_has_no_preview(index: Path) -> None:
    with pytest.raises(JobError, match=r"x has no pose to preview: failures\.csv says why"):
        write_preview(index, index.parent / "x.png", pose="x", what="views", skeleton="t2m")


def test_a_verification_shows_what_can_be_read_and_names_the_rest(index: Path) -> None:
    (index.parent / "poses/broken.npy").write_bytes(array_npy(np.zeros((2, 3), np.float32)))
    out = index.parent / "verified.png"
    wrong = draw_samples(
        index.parent, ["waving", "broken", "lost"], out, settings={"skeleton": "t2m"}, means={}, title="pose x"
    )
    assert list(wrong) == ["broken", "lost"]
    assert "(2, 3), not (22, 3)" in wrong["broken"]
    assert out.read_bytes() == contact_sheet_png({"waving": standing()}, T2M, title="pose x")
