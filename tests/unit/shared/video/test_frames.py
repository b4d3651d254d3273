"""Every kind of odd video gives exactly the frames of a full decode, or is refused by name."""

from pathlib import Path

import numpy as np
import pytest

from scripts.shared.errors import SampleError
from scripts.shared.video import scan
from scripts.shared.video.frames import read_frames
from tests.odd_videos import ODD, burnt_number
from tests.unit.shared.video.conftest import OddVideo, all_frames, every, scaled, uniform

DATA = Path(__file__).parents[3] / "data"
REAL = sorted(path.relative_to(DATA) for path in DATA.rglob("*") if path.suffix in (".mp4", ".mkv", ".webm", ".avi"))
GOOD = [name for name, odd in ODD.items() if odd.path in ("planned", "sequential")]
BAD = [name for name in ODD if name not in GOOD]


@pytest.mark.parametrize("name", GOOD)
def test_the_frames_are_those_of_a_full_decode_bit_by_bit(name: str, odd_video: OddVideo) -> None:
    path = odd_video(name)
    truth = all_frames(path)
    got = read_frames(path, uniform, height=60, width=100)
    assert got.n_source_frames == len(truth)
    assert got.numbers == tuple(uniform(len(truth)))
    for picture, number in zip(got.frames, got.numbers, strict=True):
        np.testing.assert_array_equal(picture, scaled(truth[number], 60, 100))


@pytest.mark.parametrize("name", REAL, ids=str)
def test_real_footage_gives_the_frames_of_a_full_decode(name: Path) -> None:
    truth = all_frames(DATA / name)
    if not truth:
        pytest.skip("kept as an example of what cannot be decoded")
    got = read_frames(DATA / name, uniform, height=60, width=100)
    assert got.n_source_frames == len(truth)
    for picture, number in zip(got.frames, got.numbers, strict=True):
        np.testing.assert_array_equal(picture, scaled(truth[number], 60, 100))


@pytest.mark.parametrize("name", GOOD)
def test_the_burnt_number_is_the_frame_that_was_asked_for(name: str, odd_video: OddVideo) -> None:
    odd = ODD[name]
    if not odd.numbered:
        pytest.skip("made of two parts that both count from 0")
    got = read_frames(odd_video(name), uniform, height=60, width=100)
    assert [burnt_number(picture) - odd.first for picture in got.frames] == list(got.numbers)
    assert odd.n_frames in (None, got.n_source_frames)


@pytest.mark.parametrize("name", GOOD)
def test_only_what_is_certain_is_decoded_in_part(name: str, odd_video: OddVideo) -> None:
    got = read_frames(odd_video(name), uniform, height=60, width=100)
    assert ("planned" if got.fallback is None else "sequential") == ODD[name].path, got.fallback


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_give_its_frames_is_refused_by_name(name: str, odd_video: OddVideo) -> None:
    path = odd_video(name)
    with pytest.raises(SampleError) as caught:
        read_frames(path, every, height=60, width=100)
    assert caught.value.error == ODD[name].path
    assert path.name in caught.value.message


@pytest.mark.parametrize(
    "name", ["h264", "h264 open groups", "hevc", "hevc temporal layers", "vp9 hidden frames", "av1"]
)
def test_any_single_frame_is_exact(name: str, odd_video: OddVideo) -> None:
    path = odd_video(name)
    truth = all_frames(path)
    for number in range(0, len(truth), 3):
        got = read_frames(path, lambda _, number=number: np.array([number]), height=48, width=80)
        assert got.fallback is None
        np.testing.assert_array_equal(got.frames[0], scaled(truth[number], 48, 80), err_msg=str(number))


@pytest.mark.parametrize("name", ["h264", "ts", "hevc", "vp9", "cut with an edit list"])
def test_packets_read_a_second_time_give_the_same(
    name: str, odd_video: OddVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = read_frames(odd_video(name), uniform, height=60, width=100)
    monkeypatch.setattr(scan, "HELD_BYTES", 1000)
    again = read_frames(odd_video(name), uniform, height=60, width=100)
    assert again.fallback is None
    np.testing.assert_array_equal(again.frames, held.frames)


@pytest.mark.parametrize("name", GOOD)
def test_times_are_those_of_the_frames(name: str, odd_video: OddVideo) -> None:
    path = odd_video(name)
    truth = all_frames(path)
    got = read_frames(path, uniform, height=60, width=100)
    if truth[0].pts is not None:
        assert got.pts == tuple(truth[number].pts for number in got.numbers)
    if name == "bare h264":
        assert got.duration_s == 0  # bare frames carry no time
    elif ODD[name].n_frames == 80 and not any(word in name for word in ("rate", "avi", "size")):
        assert got.duration_s == pytest.approx(80 / 25, abs=0.05)


def test_repeated_numbers_repeat_the_frame(odd_video: OddVideo) -> None:
    got = read_frames(odd_video("h264 two frames"), uniform, height=60, width=100)
    assert got.numbers == (0,) + (1,) * 15
    assert all(np.array_equal(picture, got.frames[1]) for picture in got.frames[1:])
    assert not np.array_equal(got.frames[0], got.frames[1])


def test_what_the_file_is_comes_with_the_frames(odd_video: OddVideo) -> None:
    got = read_frames(odd_video("h264"), uniform, height=60, width=100)
    assert (got.codec, got.source_width, got.source_height, got.decoder) == ("h264", 160, 96, "cpu")
    assert (got.time_base, got.frames.shape, got.frames.dtype) == ("1/12800", (16, 60, 100, 3), np.uint8)


@pytest.mark.parametrize("numbers", [[], [-1, 0], [3, 2], [0, 80]])
def test_a_planner_that_asks_for_impossible_frames_is_a_bug_not_a_sample(
    numbers: list[int], odd_video: OddVideo
) -> None:
    with pytest.raises(ValueError, match=r"pick\(80\)"):
        read_frames(odd_video("h264"), lambda _: np.array(numbers, dtype=np.int64), height=60, width=100)


@pytest.mark.parametrize("wrong", [{"scaler": "lanczos"}, {"decoder": "magic"}, {"height": 0}])
def test_an_unknown_option_is_named(wrong: dict[str, object], tmp_path: Path) -> None:
    options = {"height": 60, "width": 100, **wrong}
    with pytest.raises(ValueError, match=r"lanczos|magic|100x0"):
        read_frames(tmp_path / "none.mp4", uniform, **options)  # type: ignore[arg-type]
