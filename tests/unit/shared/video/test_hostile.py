"""Files that are no videos, or no files, or end too early: each is refused by name, and none is waited for."""

import http.server
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from av.container import InputContainer
from av.video.stream import VideoStream

from scripts.shared import source_file
from scripts.shared.errors import SampleError
from scripts.shared.video.demux import read_packets
from scripts.shared.video.frames import DecodedFrames, read_frames
from scripts.shared.video.source import VideoFile
from tests.snakemake_run import ROOT
from tests.unit.shared.video.conftest import OddVideo, every, outcome, uniform

BOTH = pytest.mark.parametrize("decoder", ["cpu", "opencv"])


def failure(path: Path, decoder: str = "cpu") -> SampleError:
    """The error that reading a file ends in."""
    with pytest.raises(SampleError) as caught:
        read_frames(path, uniform, height=60, width=100, decoder=decoder)
    assert "\n" not in caught.value.message
    return caught.value


@BOTH
@pytest.mark.timeout(10)
def test_what_is_no_regular_file_is_refused_without_waiting(decoder: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.mp4"))
        for path in (tmp_path, tmp_path / "pipe.mp4", tmp_path / "socket.mp4", Path("/dev/zero")):
            assert failure(path, decoder).error == "not_a_file", path


@BOTH
def test_a_missing_or_empty_file_is_named(decoder: str, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    os.symlink("nowhere", tmp_path / "dangling.mp4")
    assert failure(tmp_path / "none.mp4", decoder).error == "not_found"
    assert failure(tmp_path / "empty.mp4" / "below.mp4", decoder).error == "not_found"
    assert failure(tmp_path / "dangling.mp4", decoder).error == "not_found"
    assert failure(tmp_path / "nul\0.mp4", decoder).error == "not_found"
    assert failure(tmp_path / "empty.mp4", decoder).error == "empty_file"


def test_a_file_without_permission_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:  # root may read everything, so the kernel's answer is played
        raise PermissionError(13, "Permission denied")

    (tmp_path / "secret.mp4").write_bytes(b"x")
    monkeypatch.setattr(source_file.os, "open", refuse)
    assert failure(tmp_path / "secret.mp4").error == "unreadable"


def test_a_disk_that_fails_while_reading_is_unreadable(odd_video: OddVideo, monkeypatch: pytest.MonkeyPatch) -> None:
    path = odd_video("h264")

    def fail(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(source_file.os, "pread", fail)
    assert failure(path).error == "unreadable"


GARBAGE = {
    "page.mp4": b"<!DOCTYPE html><html><body>Sign in to watch this video</body></html>" * 9,
    "text.mp4": b"frame 1\nframe 2\n" * 400,
    "letter.mp4": b"x",
    "zeros.mp4": bytes(100_000),
    "noise.mp4": np.random.default_rng(0).bytes(100_000),
    "noise.ts": np.random.default_rng(1).bytes(100_000),
    "subtitles.srt": b"1\n00:00:00,000 --> 00:00:02,000\nHello\n\n" * 5,
    "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "archive.zip": b"PK\3\4" + bytes(500),
    "error.json": b'{"error": {"code": 403, "message": "forbidden"}}',
}


@BOTH
@pytest.mark.parametrize("name", GARBAGE)
def test_what_is_no_video_is_refused(name: str, decoder: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(GARBAGE[name])
    assert failure(tmp_path / name, decoder).error == "not_a_video"


@pytest.fixture
def visitors() -> Iterator[tuple[int, list[str]]]:
    """(port, paths asked for) of a web server on this machine."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_port, asked
    server.shutdown()
    thread.join()
    server.server_close()


def lists_of(target: str) -> dict[str, str]:
    return {
        "list.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:3.2,\n{target}\n#EXT-X-ENDLIST\n",
        "list.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:3.2,\n{target}\n#EXT-X-ENDLIST\n",
        "list.ffconcat": f"ffconcat version 1.0\nfile '{target}'\n",
        "list.sdp": f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns={target}\nm=video 5004 RTP/AVP 96\n",
        "list.mpd": f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{target}</BaseURL></MPD>',
        "list.ram": f"[playlist]\nFile1={target}\n",
    }


@BOTH
@pytest.mark.parametrize("name", lists_of(""))
@pytest.mark.timeout(20)
def test_a_playlist_opens_no_other_file_and_no_address(
    name: str, decoder: str, tmp_path: Path, odd_video: OddVideo, visitors: tuple[int, list[str]]
) -> None:
    port, asked = visitors
    clip = odd_video("ts")
    os.symlink(clip, tmp_path / "clip.ts")
    for target in ("clip.ts", str(clip), f"http://127.0.0.1:{port}/clip.ts", f"tcp://127.0.0.1:{port}"):
        (tmp_path / name).write_text(lists_of(target)[name])
        assert failure(tmp_path / name, decoder).error == "not_a_video"
    assert asked == []


def test_the_playlists_of_these_tests_would_open_the_clip(tmp_path: Path, odd_video: OddVideo) -> None:
    (tmp_path / "list.m3u8").write_text(lists_of(str(odd_video("ts")))["list.m3u8"])
    (tmp_path / "list.ffconcat").write_text(lists_of("clip.ts")["list.ffconcat"])
    os.symlink(odd_video("ts"), tmp_path / "clip.ts")
    for name in ("list.m3u8", "list.ffconcat"):
        with av.open(str(tmp_path / name)) as container:
            assert sum(1 for _ in container.decode(video=0)) == 80


def test_a_name_that_looks_like_an_address_or_a_pattern_is_only_a_name(
    tmp_path: Path, odd_video: OddVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = odd_video("h264").read_bytes()
    for name in (
        "concat:a|b.mp4",
        "frame%03d.mp4",
        "http:x.mp4",
        "-i",
        "ünï çødé 视频.mp4",
        os.fsdecode(b"\xff\xfe.mp4"),
    ):
        Path(name).write_bytes(data)
        for decoder in ("cpu", "opencv"):
            if name.isprintable():
                assert read_frames(Path(name), uniform, height=60, width=100, decoder=decoder).n_source_frames == 80
    assert read_frames(Path(os.fsdecode(b"\xff\xfe.mp4")), uniform, height=60, width=100).n_source_frames == 80


def assert_frames_of(got: DecodedFrames, truth: DecodedFrames, where: str) -> None:
    """Each frame is the whole file's of the same time: a cut in decode order may lose some before the last."""
    whole = dict(zip(truth.pts, truth.frames, strict=True))
    for pts, picture in zip(got.pts, got.frames, strict=True):
        np.testing.assert_array_equal(picture, whole[pts], err_msg=f"{where}, time {pts}")


CUTTABLE = {
    "mp4": ("h264", {"truncated"}),
    "index in front": ("index in front", {"truncated"}),
    "fragmented": ("fragmented mp4", {"truncated"}),
    "mkv": ("mkv", {"truncated"}),
    "webm": ("vp9", {"truncated"}),
    "avi": ("mpeg4 avi", {"truncated"}),
    "flv": ("flv", {"truncated", "corrupt"}),
    "live webm": ("webm without an end", {"truncated", "corrupt"}),
    "ts": ("ts", {"corrupt", "truncated"}),
    "hevc ts": ("hevc ts", {"corrupt", "truncated"}),
    "mpeg2 ts": ("mpeg2 ts", {"corrupt", "truncated"}),
}
NOTHING_YET = {"not_a_video", "no_video_stream", "no_frames", "empty_file", "truncated", "corrupt"}


@pytest.mark.parametrize("name", CUTTABLE)
def test_a_file_cut_anywhere_never_gives_a_wrong_frame(name: str, odd_video: OddVideo, tmp_path: Path) -> None:
    kind, classes = CUTTABLE[name]
    whole = odd_video(kind)
    truth = read_frames(whole, every, height=60, width=100)
    data = whole.read_bytes()
    rng = np.random.default_rng(5)
    cuts = [*rng.integers(1, len(data), 14), *range(188 * 40, len(data), len(data) // 5 // 188 * 188), len(data) - 1]
    path = tmp_path / whole.name
    for cut in cuts:
        path.write_bytes(data[:cut])
        got = outcome(path, uniform)
        if isinstance(got, SampleError):
            assert got.error in (classes if cut > len(data) // 3 else NOTHING_YET), (cut, got)
            continue
        assert got.n_source_frames <= truth.n_source_frames
        assert_frames_of(got, truth, f"cut at {cut}")


@pytest.mark.parametrize("name", ["mp4", "index in front", "fragmented", "mkv", "webm"])
def test_a_container_that_declares_its_size_is_never_silently_shorter(
    name: str, odd_video: OddVideo, tmp_path: Path
) -> None:
    whole = odd_video(CUTTABLE[name][0])
    data = whole.read_bytes()
    for part in (0.4, 0.55, 0.7, 0.85):
        path = tmp_path / whole.name
        path.write_bytes(data[: int(len(data) * part)])
        assert failure(path).error == "truncated"


def test_an_mp4_cut_exactly_between_two_frames_is_truncated(odd_video: OddVideo, tmp_path: Path) -> None:
    """No frame is broken then; only the index tells that some are missing."""
    data = odd_video("index in front").read_bytes()
    with av.open(str(odd_video("index in front"))) as container:
        ends = [packet.pos + packet.size for packet in container.demux(video=0) if packet.size]
    for end in ends[-40:-1:13]:
        (tmp_path / "cut.mp4").write_bytes(data[:end])
        error = failure(tmp_path / "cut.mp4")
        assert (error.error, "index" in error.message) == ("truncated", True)


def test_a_hevc_stream_cut_at_a_packet_is_not_believed(odd_video: OddVideo, tmp_path: Path) -> None:
    """FFmpeg gives the cut frame as if it were whole; the missing stuffing shows that it is not."""
    whole = odd_video("hevc ts")
    data = whole.read_bytes()
    truth = read_frames(whole, every, height=60, width=100)
    n_refused = 0
    for cut in range(len(data) // 2 // 188 * 188, len(data) // 2 // 188 * 188 + 188 * 24, 188):
        path = tmp_path / "cut.ts"
        path.write_bytes(data[:cut])
        got = outcome(path, every)
        if isinstance(got, SampleError):
            assert got.error == "truncated"
            n_refused += 1
            continue
        assert_frames_of(got, truth, f"cut at {cut}")
    assert n_refused


def test_zeros_in_place_of_the_last_part_are_not_frames(odd_video: OddVideo, tmp_path: Path) -> None:
    """A download into a file of full size that broke off."""
    for name in ("index in front", "vp9 mp4", "hevc", "av1", "mkv"):
        data = odd_video(name).read_bytes()
        path = tmp_path / odd_video(name).name
        keep = len(data) * 3 // 4 if name in ("index in front", "mkv") else len(data) // 2
        hole = len(data) - keep if name in ("index in front", "mkv") else len(data) // 4
        path.write_bytes(data[:keep] + bytes(hole) + data[keep + hole :])
        assert failure(path).error in ("corrupt", "truncated"), name


@pytest.mark.parametrize("kind", ["h264", "mkv", "ts", "vp9", "hevc", "av1", "mpeg4 avi", "flv"])
def test_damaged_bytes_anywhere_never_crash(kind: str, odd_video: OddVideo, tmp_path: Path) -> None:
    data = odd_video(kind).read_bytes()
    rng = np.random.default_rng(11)
    path = tmp_path / odd_video(kind).name
    for _ in range(25):
        broken = bytearray(data)
        for place in rng.integers(0, len(data) if rng.random() < 0.5 else 3000, rng.integers(1, 30)):
            broken[place] = rng.integers(0, 256)
        path.write_bytes(broken)
        outcome(path, uniform)


def test_a_stream_that_turns_up_on_the_way_does_no_harm(odd_video: OddVideo) -> None:
    """PyAV's demuxer raises IndexError then, after its mark of the end."""

    class Container:
        def __init__(self, container: InputContainer) -> None:
            self._container = container

        def demux(self, stream: VideoStream) -> Iterator[object]:
            yield from self._container.demux(stream)
            raise IndexError("list index out of range")

    with VideoFile(odd_video("ts")) as video, video.open_stream() as (container, stream):
        assert len(list(read_packets(video, Container(container), stream))) == 80  # type: ignore[arg-type]


def test_the_second_decoder_thread_is_never_started(odd_video: OddVideo) -> None:
    """Workers are one a core; threads of the library on top would fight over them."""
    before = len(os.listdir("/proc/self/task"))
    read_frames(odd_video("h264"), uniform, height=60, width=100)
    read_frames(odd_video("av1"), uniform, height=60, width=100)
    assert len(os.listdir("/proc/self/task")) == before


@BOTH
def test_nothing_is_written_to_stderr(decoder: str, odd_video: OddVideo) -> None:
    """In a process of its own: FFmpeg's level of logging is settled once a process, by whoever uses it first."""
    read = (
        "import sys\nfrom pathlib import Path\nfrom tests.unit.shared.video.conftest import every, outcome\n"
        f"for path in sys.argv[1:]:\n    outcome(Path(path), every, decoder={decoder!r})"
    )
    paths = [str(odd_video(kind)) for kind in ("hole of zeros, h264", "damaged bytes, h264", "ts from mid stream")]
    command = [sys.executable, "-c", read, *paths]
    assert subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=True).stderr == ""
