"""A clip holds the frames of its interval and no others, whatever the video; or there is none, and a reason."""

import errno
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import psutil
import pytest

from scripts.shared.errors import JobError, SampleError
from scripts.shared.video.cut import cut_interval
from scripts.shared.video.ffmpeg_program import ffmpeg_program
from scripts.shared.video.frames import DecodedFrames, read_frames
from tests.odd_videos import HEIGHT, RATE, WIDTH, X264, burnt_number, ffmpeg
from tests.snakemake_run import ROOT
from tests.unit.shared.video.conftest import OddVideo, every

# Frames lie at n / 25 s. Of "h264", frames 0, 30, 37, ... are key frames with B-frames between them.
COPIED = [
    ("h264", (0, 1)),
    ("h264", (1.2, 3.2)),
    ("h264 open groups", (0, 1)),
    ("h264 every frame a key", (0.79, 2.01)),
    ("hevc closed groups", (1, 3.2)),
    ("vp9", (1.2, 2.4)),
    ("av1", (1.2, 2.4)),
    ("late start mp4", (1.2, 3.2)),
    ("sound first", (1.2, 3.2)),
]
ENCODED = [
    ("h264", (0.5, 1.5)),
    ("h264", (1.21, 1.9)),  # begins between two frames, so that the first one is none of a key frame
    ("h264", (1.2, 2.4)),  # begins at a key frame; frames behind its end stand before its last ones in the file
    ("h264 open groups", (1.6, 3.2)),  # the key frame's leading pictures are shown before it
    ("h264 refresh without key frames", (0.8, 2)),
    ("h264 10 bit", (0.5, 1.5)),
    ("h264 full colour", (0.5, 1.5)),
    ("cut with an edit list", (0, 1)),
    ("variable rate mp4", (0.5, 1.5)),
    ("late start mp4", (0.5, 1.5)),
    ("mkv", (1.2, 3.2)),  # ffmpeg seeks to the key frame before
    ("ts", (1.2, 2.4)),
    ("flv", (0.8, 2)),
    ("avi", (0.8, 2)),  # times only by the number of a frame
    ("vp9", (0.5, 1.5)),
    ("sound first", (0.5, 1.5)),
]


def pictures(path: Path, interval: tuple[float, float] | None = None) -> DecodedFrames:
    return read_frames(path, every, height=HEIGHT, width=WIDTH, interval=interval)


def times_s(frames: DecodedFrames) -> list[float]:
    return [float((pts - frames.pts[0]) * Fraction(frames.time_base)) for pts in frames.pts]


@pytest.mark.parametrize(("name", "interval"), COPIED)
def test_a_clip_from_a_key_frame_on_is_copied_pixel_by_pixel(
    name: str, interval: tuple[float, float], odd_video: OddVideo, tmp_path: Path
) -> None:
    assert cut_interval(odd_video(name), interval, tmp_path / "clip.mp4").copied
    np.testing.assert_array_equal(pictures(tmp_path / "clip.mp4").frames, pictures(odd_video(name), interval).frames)


@pytest.mark.parametrize(("name", "interval"), ENCODED)
def test_any_other_clip_is_encoded_and_holds_the_same_frames_at_the_same_times(
    name: str, interval: tuple[float, float], odd_video: OddVideo, tmp_path: Path
) -> None:
    cut = cut_interval(odd_video(name), interval, tmp_path / "clip.mp4")
    wanted, got = pictures(odd_video(name), interval), pictures(tmp_path / "clip.mp4")
    assert not cut.copied
    assert cut.frames.n_source_frames == got.n_source_frames == wanted.n_source_frames > 5
    assert [burnt_number(frame) for frame in got.frames] == [burnt_number(frame) for frame in wanted.frames]
    np.testing.assert_allclose(times_s(got), times_s(wanted), atol=0.001)
    luma = np.array([0.299, 0.587, 0.114])
    assert np.abs((got.frames.astype(float) - wanted.frames) @ luma).mean() < 4


def test_frames_off_the_beat_of_the_frame_rate_keep_their_times(odd_video: OddVideo, tmp_path: Path) -> None:
    uneven = "settb=1/1000,setpts='40*N+11*mod(N,3)'"
    ffmpeg("-i", odd_video("h264"), "-vf", uneven, "-fps_mode", "passthrough", *X264, "-enc_time_base", "1/1000",
           tmp_path / "uneven.mkv")  # fmt: skip
    cut_interval(tmp_path / "uneven.mkv", (0.5, 1.5), tmp_path / "clip.mp4")
    wanted, got = pictures(tmp_path / "uneven.mkv", (0.5, 1.5)), pictures(tmp_path / "clip.mp4")
    np.testing.assert_allclose(times_s(got), times_s(wanted), atol=0.001)


def test_a_picture_that_stands_still_is_copied_only_with_its_frames_own_packets(tmp_path: Path) -> None:
    """Where all pictures are alike, times alone tell a frame behind the end from the last one."""
    still = ("-f", "lavfi", "-i", "color=gray:size=64x64:rate=25:duration=2", *X264, "-bf", "3", "-g", "50")
    ffmpeg(*still, tmp_path / "still.mp4")
    for n_frames in range(6, 14):
        cut_interval(tmp_path / "still.mp4", (0, n_frames / RATE), tmp_path / "clip.mp4")
        got = times_s(pictures(tmp_path / "clip.mp4"))
        np.testing.assert_allclose(got, np.arange(n_frames) / RATE, atol=0.001)


def test_a_copy_is_compared_packet_by_packet(
    odd_video: OddVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This one has as many frames, and the same ones at both ends."""
    lossless = ("-c:v", "libx264", "-qp", "0", "-g", "1")
    ffmpeg("-i", odd_video("h264"), *lossless, tmp_path / "whole.mp4")
    ffmpeg(
        "-i", odd_video("h264"), "-vf", "shuffleframes=0 2 1 3 4", *lossless, "-frames:v", "25", tmp_path / "other.mp4"
    )
    assert cut_interval(tmp_path / "whole.mp4", (0, 1), tmp_path / "clip.mp4").copied
    fake_ffmpeg(tmp_path, f"cp {tmp_path}/other.mp4 {tmp_path}/clip.mp4", monkeypatch)
    assert not cut_interval(tmp_path / "whole.mp4", (0, 1), tmp_path / "clip.mp4").copied


def test_the_same_interval_gives_the_same_bytes(odd_video: OddVideo, tmp_path: Path) -> None:
    for interval in ((1.2, 3.2), (0.5, 1.5)):
        for name in "ab":
            cut_interval(odd_video("sound first"), interval, tmp_path / name)
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("interval", [(1.2, 3.2), (0.5, 1.5)], ids=["copied", "encoded"])
def test_the_sound_of_the_interval_is_kept(interval: tuple[float, float], odd_video: OddVideo, tmp_path: Path) -> None:
    cut_interval(odd_video("sound first"), interval, tmp_path / "clip.mp4")
    with av.open(str(tmp_path / "clip.mp4")) as container:
        video, sound = container.streams.video[0], container.streams.audio[0]
        for stream in (video, sound):
            assert float(stream.start_time * stream.time_base) == pytest.approx(0, abs=0.03)
            assert float(stream.duration * stream.time_base) == pytest.approx(interval[1] - interval[0], abs=0.05)


def test_a_turned_video_gives_a_turned_clip(odd_video: OddVideo, tmp_path: Path) -> None:
    ffmpeg("-display_rotation", "90", "-i", odd_video("h264"), "-c", "copy", tmp_path / "turned.mp4")
    for interval in ((1.2, 3.2), (0.5, 1.5)):
        cut_interval(tmp_path / "turned.mp4", interval, tmp_path / "clip.mp4")
        got, wanted = (
            read_frames(path, every, height=WIDTH, width=HEIGHT, interval=part).frames.astype(float).mean(axis=3)
            for path, part in ((tmp_path / "clip.mp4", None), (tmp_path / "turned.mp4", interval))
        )
        assert np.abs(got - wanted).mean() < 8


def test_odd_sides_are_made_even_where_the_clip_is_encoded(odd_video: OddVideo, tmp_path: Path) -> None:
    ffmpeg("-i", odd_video("h264"), "-vf", "scale=161:97", "-c:v", "ffv1", tmp_path / "odd.mkv")
    cut_interval(tmp_path / "odd.mkv", (0.5, 1.5), tmp_path / "clip.mp4")
    got = pictures(tmp_path / "clip.mp4")
    assert (got.source_width, got.source_height) == (160, 96)


@pytest.mark.parametrize(
    ("name", "interval", "error"),
    [
        ("h264", (3.1, 9), "bad_interval"),
        ("h264", (5, 6), "bad_interval"),
        ("h264", (2, 1), "bad_interval"),
        ("bare h264", (0, 1), "no_times"),
        ("size changes in mid stream", (1.2, 2.4), "cut_failed"),
    ],
)
def test_what_gives_no_such_clip_fails_by_name_and_leaves_none(
    name: str, interval: tuple[float, float], error: str, odd_video: OddVideo, tmp_path: Path
) -> None:
    with pytest.raises(SampleError) as caught:
        cut_interval(odd_video(name), interval, tmp_path / "clip.mp4")
    assert caught.value.error == error
    assert not list(tmp_path.iterdir())


def fake_ffmpeg(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo kaputt >&2; exit 7", r"0.5 to 1.5 s: ffmpeg ended with status 7 \(kaputt\)"),
        ("exit 0", "clip.mp4: no such file"),
    ],
)
def test_an_ffmpeg_that_fails_fails_the_sample_with_its_last_words(
    script: str, says: str, odd_video: OddVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_ffmpeg(tmp_path, script, monkeypatch)
    with pytest.raises(SampleError, match=says):
        cut_interval(odd_video("h264"), (0.5, 1.5), tmp_path / "clip.mp4")


def test_an_ffmpeg_that_a_scheduler_told_to_end_is_asked_once_more(
    odd_video: OddVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = f"[ -e {tmp_path}/told ] || {{ touch {tmp_path}/told; exit 255; }}"
    fake_ffmpeg(tmp_path, f'{once}; exec {shlex.quote(ffmpeg_program())} "$@"', monkeypatch)
    cut = cut_interval(odd_video("h264"), (0.5, 1.5), tmp_path / "clip.mp4")
    assert cut.frames.n_source_frames == 25
    fake_ffmpeg(tmp_path, "exit 255", monkeypatch)
    with pytest.raises(SampleError, match="ffmpeg ended with status 255"):
        cut_interval(odd_video("h264"), (0.5, 1.5), tmp_path / "clip.mp4")


@pytest.mark.parametrize(
    ("instead", "says"), [((1, 1.8), "ffmpeg gives 20 frames of 25"), ((1.52, 2.52), "ffmpeg gives other pictures")]
)
def test_an_ffmpeg_that_gives_another_clip_fails_the_sample(
    instead: tuple[float, float], says: str, odd_video: OddVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = odd_video("h264 every frame a key")
    cut_interval(video, instead, tmp_path / "other.mp4")
    fake_ffmpeg(tmp_path, f"cp {tmp_path}/other.mp4 {tmp_path}/clip.mp4", monkeypatch)
    with pytest.raises(SampleError, match=says):
        cut_interval(video, (0.52, 1.52), tmp_path / "clip.mp4")
    assert not (tmp_path / "clip.mp4").exists()


def test_a_full_disk_or_an_ffmpeg_without_its_encoder_is_not_the_samples_fault(
    odd_video: OddVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_ffmpeg(tmp_path, "echo 'clip.mp4: No space left on device' >&2; exit 1", monkeypatch)
    with pytest.raises(OSError, match="No space left on device") as caught:
        cut_interval(odd_video("h264"), (0.5, 1.5), tmp_path / "clip.mp4")
    assert caught.value.errno == errno.ENOSPC
    fake_ffmpeg(tmp_path, "echo \"Unknown encoder 'libx264'\" >&2; exit 1", monkeypatch)
    with pytest.raises(JobError, match=r"Unknown encoder 'libx264'; take it off PATH"):
        cut_interval(odd_video("h264"), (0.5, 1.5), tmp_path / "clip.mp4")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere ffmpeg ends by itself, when its clip is done")
def test_ffmpeg_ends_with_a_worker_that_is_killed_and_not_with_ctrl_c(
    odd_video: OddVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say_pid = f"echo $$ >{tmp_path}/part; mv {tmp_path}/part {tmp_path}/pid"
    fake_ffmpeg(tmp_path, f"{say_pid}; exec sleep 60", monkeypatch)
    code = (
        "from pathlib import Path; from scripts.shared.video.cut import cut_interval; "
        f"cut_interval(Path({str(odd_video('h264'))!r}), (0.5, 1.5), Path('clip.mp4'))"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, start_new_session=True
    )
    try:
        wait_until((tmp_path / "pid").exists)
        pid = int((tmp_path / "pid").read_text())
        assert os.getpgid(pid) != worker.pid
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


def wait_until(holds: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)
