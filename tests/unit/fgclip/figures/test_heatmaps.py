import json
from collections.abc import Sequence
from pathlib import Path

import av
import pytest

from scripts.fgclip.figures.heatmaps import draw_heatmaps
from scripts.shared.errors import ConfigError
from tests.unit.fgclip.figures.made import BAD, GOOD, NORMAL, Made, make_dataset

BAND = 120  # pixels of an overlay below the video


def draw(
    made: Made, to: Path, shown: str | Sequence[str] = "auto", *, overlays: bool = False, pdf: bool = False
) -> dict[str, bytes]:
    draw_heatmaps(
        test=made.test,
        metrics=made.metrics,
        scores_dir=made.scores,
        facts_dir=made.facts,
        shown=shown,
        most=12,
        overlays=overlays,
        pdf=pdf,
        folder=to / "heatmaps",
        gallery=to / "heatmaps.html",
    )
    return {path.relative_to(to).as_posix(): path.read_bytes() for path in to.rglob("*") if path.is_file()}


def test_the_best_the_worst_and_false_alarms_are_drawn_each_with_its_reason(made: Made, tmp_path: Path) -> None:
    files = draw(made, tmp_path, overlays=True)
    pictures = {f"heatmaps/{key}.{kind}" for key in (GOOD, BAD, NORMAL) for kind in ("mp4", "png")}
    assert set(files) == {*pictures, "heatmaps/shown.json", "heatmaps.html"}
    assert [(row["key"], row["why"]) for row in json.loads(files["heatmaps/shown.json"])] == [
        (GOOD, "best of Abuse"),
        (BAD, "worst of Abuse"),
        (NORMAL, "normal, number 1 by its highest score"),
    ]
    page = files["heatmaps.html"].decode()
    assert page.count("<img") == page.count("<video") == 3
    assert "3 of 3 scored videos, chosen by rule" in page


def test_equal_input_gives_equal_bytes(made: Made, tmp_path: Path) -> None:
    first, second = (draw(made, tmp_path / name, [BAD], overlays=True) for name in "ab")
    assert len(first) == 4
    assert first == second


@pytest.mark.parametrize(
    ("size", "drawn"), [((48, 32), (320, 214)), ((384, 288), (384, 288)), ((1080, 1920), (270, 480))]
)
def test_videos_are_drawn_in_their_own_shape_neither_small_nor_large(
    size: tuple[int, int], drawn: tuple[int, int], tmp_path: Path
) -> None:
    made = make_dataset(tmp_path)
    (made.facts / f"{GOOD}.json").write_text(json.dumps(dict(zip(("width", "height"), size, strict=True))))
    draw(made, tmp_path / "out", [GOOD], overlays=True)
    with av.open(str(tmp_path / "out" / "heatmaps" / f"{GOOD}.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height - BAND) == drawn


def test_strips_are_drawn_as_pdf_too_where_wanted(made: Made, tmp_path: Path) -> None:
    assert draw(made, tmp_path, [NORMAL], pdf=True)[f"heatmaps/{NORMAL}.pdf"].startswith(b"%PDF")


def test_a_video_that_cannot_be_drawn_is_named_and_the_others_are_drawn(tmp_path: Path) -> None:
    made = make_dataset(tmp_path)
    (made.scores / f"{GOOD}.npz").write_bytes(b"nothing")
    listed = json.loads(made.test.read_text())
    listed["videos"][1]["path"] = str(tmp_path / "gone.mp4")
    made.test.write_text(json.dumps(listed))
    files = draw(made, tmp_path / "out")
    assert [name for name in files if name.endswith(".png")] == [f"heatmaps/{NORMAL}.png"]
    wrong = {row["key"]: row["wrong"] for row in json.loads(files["heatmaps/shown.json"])}
    assert "no scores of a video" in wrong[GOOD]
    assert "not_found" in wrong[BAD]
    assert wrong[NORMAL] == ""
    assert files["heatmaps.html"].decode().count('class="wrong"') == 2


def test_a_video_that_changed_since_it_was_scored_is_not_drawn(tmp_path: Path) -> None:
    made = make_dataset(tmp_path)
    listed = json.loads(made.test.read_text())
    listed["videos"][0]["n_frames"] = 41
    made.test.write_text(json.dumps(listed))
    (row,) = json.loads(draw(made, tmp_path / "out", [GOOD])["heatmaps/shown.json"])
    assert "has 40 frames, not 41 as when it was scored" in row["wrong"]


def test_a_name_that_is_no_test_video_is_refused_and_nothing_is_written(made: Made, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"shown: '\.\./x' is no test video of made"):
        draw(made, tmp_path, ["../x"])
    assert not list(tmp_path.iterdir())


def test_pictures_of_before_are_gone_with_the_new_ones(made: Made, tmp_path: Path) -> None:
    draw(made, tmp_path, [GOOD])
    assert set(draw(made, tmp_path, [BAD])) == {f"heatmaps/{BAD}.png", "heatmaps/shown.json", "heatmaps.html"}
