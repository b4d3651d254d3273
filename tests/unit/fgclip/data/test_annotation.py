from collections import Counter
from pathlib import Path

import pytest

from scripts.fgclip.data.annotation import read_annotation
from scripts.shared.errors import PlanningError

REAL = Path(__file__).parents[5] / "shared/data/annotations/Temporal_Anomaly_Annotation.txt"
ROWS = [
    "Abuse028_x264.mp4  Abuse  165  240  -1  -1  ",
    "Arson011_x264.mp4  Arson  150  420  680  1267  ",
    "Normal_Videos_003_x264.mp4  Normal  -1  -1  -1  -1  ",
]


def written(folder: Path, *rows: str) -> Path:
    path = folder / "annotation.txt"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_intervals_are_half_open_from_zero(tmp_path: Path) -> None:
    abuse, arson, normal = read_annotation(written(tmp_path, *ROWS))
    assert (abuse.name, abuse.category, abuse.intervals) == ("Abuse028_x264.mp4", "Abuse", ((165, 240),))
    assert arson.intervals == ((150, 420), (680, 1267))
    assert (normal.category, normal.intervals) == ("Normal", ())


def test_single_blanks_tabs_and_names_without_suffix_are_taken(tmp_path: Path) -> None:
    rows = [" ".join(row.replace(".mp4", "").split()) for row in ROWS]
    rows[1] = rows[1].replace(" ", "\t")
    plain = read_annotation(written(tmp_path, *ROWS))
    other = read_annotation(written(tmp_path, "", *rows, "  "))
    assert [(video.category, video.intervals) for video in other] == [(v.category, v.intervals) for v in plain]
    assert other[0].name == "Abuse028_x264"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("Abuse001  Abuse  1  2  -1", r"5 fields between blanks, not 6; write name, class, start"),
        ("Abuse001  Abuse  1  2  -1  -1  -1", "7 fields between blanks, not 6"),
        ("Abuse001.mp4", "1 fields"),
        ("Abuse001 Abuse 1 2.5 -1 -1", r"'2\.5' is no frame number"),
        ("Abuse001 Abuse -2 5 -1 -1", "'-2' is no frame number"),
        ("Abuse001 Abuse 9 9 -1 -1", "the interval 9 9 does not go forwards"),
        ("Abuse001 Abuse 1 9 8 -1", "the interval 8 -1 does not go forwards"),
        ("Abuse001 Abuse -1 -1 -1 -1", "a video of class Abuse needs an interval"),
        ("Normal001 Normal 1 9 -1 -1", "a Normal video has no interval"),
        ("Abuse028_x264 Abuse 165 240 -1 -1", "the video stands in line 1 already"),
    ],
)
def test_a_wrong_row_is_named_with_its_line_and_the_mend(tmp_path: Path, row: str, words: str) -> None:
    with pytest.raises(PlanningError, match=rf"annotation\.txt: line 3: '{row[:8]}.*: {words}"):
        read_annotation(written(tmp_path, ROWS[0], "", row))


def test_a_file_that_is_no_annotation_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlanningError, match=r"absent\.txt: No such file.*does `test`"):
        read_annotation(tmp_path / "absent.txt")
    with pytest.raises(PlanningError, match="no line in it"):
        read_annotation(written(tmp_path, ""))
    (tmp_path / "annotation.txt").write_bytes(b"caf\xe9")
    with pytest.raises(PlanningError, match="not UTF-8"):
        read_annotation(tmp_path / "annotation.txt")


@pytest.mark.skipif(not REAL.exists(), reason=f"{REAL} is not there")
def test_the_real_annotation_is_read_whole() -> None:
    videos = read_annotation(REAL)
    classes = Counter(video.category for video in videos)
    assert len(videos) == 290
    assert classes["Normal"] == 150
    assert [classes[name] for name in ("RoadAccidents", "Shooting", "Arrest", "Abuse")] == [23, 23, 5, 2]
    assert sum(len(video.intervals) == 2 for video in videos) == 16
    assert sum(min(start for start, _ in video.intervals) > 512 for video in videos if video.intervals) == 78
