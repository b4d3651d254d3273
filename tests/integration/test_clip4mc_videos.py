"""CLIP4MC from whole videos through the `snakemake` command, and the clips that `clip4mc_clips` cuts out of them."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from scripts.shared import layout
from scripts.shared.ledger import read_shard
from scripts.shared.safe_pickle import loads
from tests.odd_videos import RATE, burnt_number, copied, x264
from tests.snakemake_run import ROOT, Workplace, leftovers, marks, remade

N_FRAMES = 4
GOOD: dict[int, tuple[float, float]] = {0: (0.5, 1.5), 1: (1.2, 3.2), 2: (0.5, 1.5), 7: (0, 3.2)}
BAD = {3: "bad_interval", 4: "bad_interval", 5: "no_video_for_id", 6: "bad_vid"}


def row(vid: str, begin: float, end: float, words: str = "a player mines a block") -> dict[str, Any]:
    return {"vid": vid, "begin position": begin, "end position": end, "transcript clip": words}


def write(here: Workplace, *datasets: str, words: str = "the same again") -> None:
    """The lists, and a configuration of some datasets: `raw` of whole videos, `cut` of the clips cut out of them."""
    rows = [row("a-1", 0.5, 1.5), row("a-1", 1.2, 3.2) | {"size": [0.25]}, row("a-1", 0.5, 1.5, words)]
    rows += [row("a-1", 2.5, 2), row("a-1", 8, 9.5), row("c", 0, 1), row("../x", 0, 1), row("b", 0, 3.2)]
    (here.folder / "metadata.json").write_text(json.dumps(rows))
    lines = ["url,filename", "https://www.youtube.com/watch?v=a-1&t=3,/old/a.mp4", '"https://youtu.be/b","b, too.mkv"']
    (here.folder / "info.csv").write_text("\n".join(lines) + "\n")
    clips = "results/clip4mc/raw/clips"
    known = {
        "raw": {"source": "videos", "metadata": "metadata.json", "info_csv": "info.csv", "videos_dir": "videos"},
        "cut": {"pairs": f"{clips}/text_video_pairs.json", "clips_dir": clips},
    }
    options = {"num_frames": N_FRAMES, "frame_height": 48, "frame_width": 80, "shard_size": 3, "workers": 1}
    config = {"clip4mc": {**options, "figures": False, "datasets": {name: known[name] for name in datasets}}}
    (here.folder / "config.yaml").write_text(yaml.safe_dump(config))


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A place with whole videos and their lists."""
    here = Workplace(tmp_path_factory.mktemp("videos") / "place")
    (here.folder / "videos").mkdir(parents=True)
    (here.folder / "profiles").symlink_to(ROOT / "profiles")
    x264("-g", "30")(here.folder / "videos" / "a.mp4")
    copied(x264("-g", "30"))(here.folder / "videos" / "b, too.mkv")
    write(here, "raw")
    return here


@pytest.fixture(scope="module")
def said(here: Workplace) -> str:
    """What the run said that made the samples, before their clips were cut."""
    text = here.make().text
    assert not (results(here, "raw") / "clips").exists()
    here.make("clip4mc_clips")
    return text


def results(here: Workplace, name: str) -> Path:
    return here.folder / "results" / "clip4mc" / name


def failures(folder: Path) -> dict[int, tuple[str, str, str]]:
    with (folder / "failures.csv").open(newline="") as file:
        return {
            int(key.split("_")[1]): (source, error, message)
            for key, source, error, message in list(csv.reader(file))[1:]
        }


def shown(sample: Path) -> list[int]:
    """The numbers burnt into a sample's frames: which frames of the whole video they are."""
    return [burnt_number(frame) for frame in loads((sample / "video_input.pkl").read_bytes())]


def wanted(interval: tuple[float, float]) -> list[int]:
    numbers = [number for number in range(80) if interval[0] <= number / RATE < interval[1]]
    return [numbers[place] for place in np.linspace(0, len(numbers) - 1, N_FRAMES, dtype=int)]


def n_frames(folder: Path, stage: str) -> dict[int, int]:
    """Frames in each interval, or clip, by number of the sample."""
    found = {}
    for shard in ("00000", "00001", "00002"):
        for key, made in read_shard(layout.ledger_dir(folder, stage), shard).rows.items():
            if made["status"] == "ok":
                found[int(key.split("_")[1])] = made["facts"]["n_frames"]
    return found


@pytest.mark.usefixtures("said")
def test_samples_hold_the_frames_between_the_two_positions(here: Workplace) -> None:
    samples = {int(path.name.split("_")[1]): path for path in results(here, "raw").glob("sample_*")}
    assert sorted(samples) == sorted(GOOD)
    for number, interval in GOOD.items():
        assert shown(samples[number]) == wanted(interval)
    assert json.loads((samples[1] / "size.json").read_text()) == [0.25] * N_FRAMES


@pytest.mark.usefixtures("said")
@pytest.mark.parametrize("part", ["", "clips"])
def test_rows_that_cannot_be_samples_are_listed_with_their_reason_and_stop_no_other(here: Workplace, part: str) -> None:
    listed = failures(results(here, "raw") / part)
    assert {number: error for number, (_, error, _) in listed.items()} == BAD
    assert "row 3: 'begin position' is 2.5 and 'end position' is 2.0;" in listed[3][2]
    assert "a.mp4: its interval begins at 8 s, but the video is 3.2 s long" in listed[4][2]
    assert "row 5: 'vid' is 'c', and info.csv has no row for it" in listed[5][2]
    assert [source for source, _, _ in listed.values()] == ["a.mp4", "a.mp4", "", ""]


def test_two_rows_of_one_interval_are_two_samples_and_the_plan_says_so(here: Workplace, said: str) -> None:
    assert (
        "metadata.json: 1 rows have the video and the interval of an earlier row, such as row 2 those of row 0" in said
    )
    first, second = (results(here, "raw") / f"sample_{number:06d}_a-1" for number in (0, 2))
    assert (first / "video_input.pkl").read_bytes() == (second / "video_input.pkl").read_bytes()
    assert (first / "text_input.pkl").read_bytes() != (second / "text_input.pkl").read_bytes()


@pytest.mark.usefixtures("said")
def test_cut_clips_are_a_dataset_of_the_same_frames(here: Workplace) -> None:
    clips = results(here, "raw") / "clips"
    assert json.loads((clips / "summary.json").read_text())["made"] == {"encoded": 2, "copied": 2}
    before = marks(results(here, "raw"))
    write(here, "raw", "cut")
    here.make()
    assert remade(before, marks(results(here, "raw"))) == set()
    for number, interval in GOOD.items():
        [sample] = results(here, "cut").glob(f"sample_{number:06d}_*")
        assert shown(sample) == wanted(interval)
    assert (
        n_frames(results(here, "cut"), "frames") == n_frames(results(here, "raw"), "frames") == n_frames(clips, "clips")
    )
    assert leftovers(here.folder) == []


@pytest.mark.usefixtures("said")
def test_a_lost_clip_is_cut_again_and_a_new_caption_cuts_none(here: Workplace) -> None:
    clips = results(here, "raw") / "clips"
    pairs = (clips / "text_video_pairs.json").read_text()
    (clips / "sample_000001_a-1" / "clip.mp4").unlink()
    write(here, "raw", "cut", words="a new caption")
    before = marks(clips)
    here.make("clip4mc_clips")
    assert remade(before, marks(clips)) == {1}
    assert (clips / "text_video_pairs.json").read_text() == pairs.replace("the same again", "a new caption")
    assert here.make("clip4mc_clips", "-n").nothing_to_do


def test_without_whole_videos_there_are_no_clips_to_cut(tmp_path: Path) -> None:
    here = Workplace.create(tmp_path / "place", 1)
    assert "no dataset has source: videos, so there are no clips to cut" in here.make("clip4mc_clips", "-n").text
