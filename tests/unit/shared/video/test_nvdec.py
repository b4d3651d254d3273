"""The GPU's decoder, with a software one in its place: the bytes of the CPU, or the CPU itself, with the reason."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
import pytest
from av.video.frame import VideoFrame

from scripts.shared.video import frames as frames_module
from scripts.shared.video import nvdec
from scripts.shared.video.frames import DecodedFrames, read_frames
from scripts.shared.video.nvdec import Card, hardware_context
from tests.odd_videos import AV1, ODD, VP9, X264, X265, encode, ffmpeg
from tests.soft_card import Factory, fail_at, soft_card
from tests.unit.shared.video.conftest import OddVideo, uniform

CLIPS = Path(__file__).parents[3] / "data" / "demo" / "clip4mc" / "clips"
# Of those that are decoded whole, which no card ever sees, a few.
DECODED_WHOLE = ("h264 interlaced", "negative start mkv", "avi", "vp8", "size changes in mid ts")
TRIED = [name for name, odd in ODD.items() if odd.path == "planned" or name in DECODED_WHOLE]
# Planned on the CPU, and not for the card.
NOT_ON_CARD = {
    "h264 10 bit": "yuv420p10le",
    "h264 full colour": "yuv444p",
    "h264 bt709 full range": "full range",
    "hevc 10 bit": "yuv420p10le",
    "vp9 10 bit": "yuv420p10le",
    "vp9 hidden frames": "gbrp",
    "av1 grain": "grain",
}

UseCard = Callable[[Card], Card]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> UseCard:
    """Make a card that of this process."""

    def put(card: Card) -> Card:
        monkeypatch.setattr(frames_module, "this_card", lambda: card)
        return card

    return put


@pytest.fixture(scope="module")
def one_card() -> Card:
    """One card for many clips, so that each meets decoders that others left."""
    return soft_card()


def read(path: Path, decoder: str = "nvdec", scaler: str = "swscale", **more: Any) -> DecodedFrames:
    return read_frames(path, uniform, height=60, width=100, scaler=scaler, decoder=decoder, **more)


def same(path: Path, **more: Any) -> DecodedFrames:
    """The frames by nvdec, after they were found to be those of the CPU byte by byte."""
    got, expected = read(path, **more), read(path, "cpu", **more)
    np.testing.assert_array_equal(got.frames, expected.frames)
    for fact in ("numbers", "pts", "time_base", "n_source_frames", "codec", "source_width", "duration_s", "fallback"):
        assert getattr(got, fact) == getattr(expected, fact)
    assert (got.decoder == "nvdec") == (got.why_cpu is None)
    assert (expected.decoder, expected.why_cpu) == ("cpu", None)
    return got


@pytest.mark.parametrize("name", TRIED)
def test_the_frames_are_those_of_the_cpu_byte_by_byte(
    name: str, odd_video: OddVideo, one_card: Card, use: UseCard
) -> None:
    use(one_card)
    for scaler in ("swscale", "cv2"):
        got = same(odd_video(name), scaler=scaler)
        if ODD[name].path == "sequential":
            assert (got.decoder, got.why_cpu) == ("cpu", got.fallback)
        else:
            assert NOT_ON_CARD.get(name, "nvdec") in (got.why_cpu or got.decoder)


@pytest.mark.parametrize("path", sorted(CLIPS.glob("*.*")), ids=lambda path: path.name)
def test_real_footage_is_decoded_by_the_card_and_to_the_same_bytes(path: Path, one_card: Card, use: UseCard) -> None:
    use(one_card)
    assert same(path).decoder == "nvdec"


SIZES: dict[str, tuple[tuple[Any, ...], str, tuple[int, int], str]] = {
    "cropped h264": (X264, ".mp4", (150, 90), "nvdec"),
    "cropped hevc": ((*X265, "-x265-params", "log-level=none:keyint=25"), ".mp4", (150, 90), "nvdec"),
    "odd height": (VP9, ".webm", (160, 97), "odd"),
    "odd width": ((*AV1, "keyint=30"), ".mp4", (161, 96), "odd"),
    "bt709": ((*X264, "-colorspace", "bt709"), ".mp4", (160, 96), "nvdec"),
    "bt470bg": ((*X264, "-colorspace", "bt470bg"), ".mp4", (160, 96), "nvdec"),
    "colours of the container": ((*VP9, "-colorspace", "bt709", "-color_range", "tv"), ".webm", (160, 96), "nvdec"),
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes_and_colours_are_treated_as_on_the_cpu(name: str, tmp_path: Path, one_card: Card, use: UseCard) -> None:
    options, suffix, (width, height), decoder = SIZES[name]
    path = tmp_path / f"clip{suffix}"
    encode(path, *options, n_frames=20, width=width, height=height)
    use(one_card)
    for scaler in ("swscale", "cv2"):
        got = same(path, scaler=scaler)
        assert decoder in (got.why_cpu or got.decoder)


def test_full_range_goes_to_the_cpu_also_where_the_format_does_not_say_it(tmp_path: Path, use: UseCard) -> None:
    encode(tmp_path / "full.webm", *VP9, "-vf", "scale=out_range=pc", "-color_range", "pc", n_frames=5)
    use(soft_card())
    assert "yuv420p of full range" in (same(tmp_path / "full.webm").why_cpu or "")


def test_a_turned_video_goes_to_the_cpu(tmp_path: Path, odd_video: OddVideo, use: UseCard) -> None:
    use(soft_card())
    ffmpeg("-display_rotation", "90", "-i", odd_video("h264"), "-c", "copy", tmp_path / "turned.mp4")
    assert "display matrix" in (same(tmp_path / "turned.mp4").why_cpu or "")
    assert same(odd_video("h264")).decoder == "nvdec"


@pytest.mark.parametrize("name", ["h264", "h264 open groups", "hevc", "vp9", "ts", "cut with an edit list"])
def test_an_interval_of_a_video_is_decoded_alike(name: str, odd_video: OddVideo, one_card: Card, use: UseCard) -> None:
    use(one_card)
    assert same(odd_video(name), interval=(0.5, 1.1)).decoder == "nvdec"


def test_a_decoder_serves_all_clips_of_its_kind(odd_video: OddVideo, use: UseCard) -> None:
    factory = Factory()
    use(Card(factory))
    for name in ("h264", "mkv", "h264", "variable rate mp4", "cut with an edit list"):
        assert same(odd_video(name)).decoder == "nvdec"
    assert factory.made == ["h264"]


def test_the_newest_few_decoders_are_kept(odd_video: OddVideo, use: UseCard) -> None:
    factory = Factory()
    use(Card(factory))
    for name in ("h264", "hevc", "vp9", "h264 no B-frames", "h264"):
        read(odd_video(name))
    assert factory.made == ["h264", "hevc", "vp9", "h264"]
    read(odd_video("av1"))  # in place of hevc, which was not used for longest
    read(odd_video("h264"))
    assert len(factory.made) == 5
    read(odd_video("hevc"))
    assert len(factory.made) == 6


def test_where_no_gpu_answers_all_goes_to_the_cpu_and_that_is_said_once(
    odd_video: OddVideo, use: UseCard, caplog: pytest.LogCaptureFixture
) -> None:
    asked = []

    def refuse(codec: str) -> Any:
        asked.append(codec)
        raise av.error.PermissionError(1, "Operation not permitted")

    use(Card(refuse))
    with caplog.at_level(logging.WARNING):
        reasons = {same(odd_video(name)).why_cpu for name in ("h264", "hevc", "vp9")}
    assert reasons == {"no GPU answers (Operation not permitted)"}
    assert (len(asked), len(caplog.records)) == (1, 1)


def test_a_codec_that_ffmpeg_was_built_without_costs_the_others_nothing(odd_video: OddVideo, use: UseCard) -> None:
    soft = Factory()

    def make(codec: str) -> Any:
        if codec == "av1":
            raise NotImplementedError(codec)
        return soft(codec)

    use(Card(make))
    assert same(odd_video("av1")).why_cpu == "this FFmpeg decodes no av1 on GPUs"
    assert same(odd_video("h264")).decoder == "nvdec"


def test_cuda_without_a_device_is_no_gpu(odd_video: OddVideo, use: UseCard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    use(Card(hardware_context))
    assert (same(odd_video("h264")).why_cpu or "").startswith("no GPU answers")


def test_what_the_card_does_not_take_is_tried_once_a_kind(odd_video: OddVideo, use: UseCard) -> None:
    factory = Factory(fail_at(1, av.error.PermissionError))
    use(Card(factory))
    reasons = [same(odd_video(name)).why_cpu for name in ("h264", "h264 slices", "hevc")]
    assert reasons[0] == reasons[1] == "the GPU does not take h264 of 160x96 (made to fail)"
    assert reasons[2] == "the GPU does not take hevc of 160x96 (made to fail)"
    assert factory.made == ["h264", "hevc"]


@pytest.mark.parametrize("call", [3, 12])
def test_a_gpu_that_vanishes_costs_no_clip_and_is_not_asked_again(
    call: int, odd_video: OddVideo, use: UseCard, caplog: pytest.LogCaptureFixture
) -> None:
    factory = Factory(fail_at(call, av.error.ExternalError))
    use(Card(factory))
    with caplog.at_level(logging.WARNING):
        reasons = {same(odd_video(name)).why_cpu for name in ("h264", "h264", "hevc")}
    assert reasons == {"the GPU answers no more (made to fail)"}
    assert (factory.made, len(caplog.records)) == (["h264"], 1)


def test_a_gpu_that_vanishes_between_two_clips_is_noticed(odd_video: OddVideo, use: UseCard) -> None:
    alive = [True]

    def spoil(_: int, frames: list[VideoFrame]) -> list[VideoFrame]:
        if not alive[0]:
            raise av.error.ExternalError(1, "lost")
        return frames

    use(soft_card(spoil))
    assert same(odd_video("h264")).decoder == "nvdec"
    alive[0] = False
    assert same(odd_video("h264")).why_cpu == "the GPU answers no more (lost)"


def test_a_frame_that_cannot_be_fetched_is_a_gpu_that_vanished(odd_video: OddVideo, use: UseCard) -> None:
    card = use(soft_card())
    fetch, n_fetched = card.to_host, []

    def to_host(frame: VideoFrame) -> VideoFrame:
        n_fetched.append(1)
        if len(n_fetched) > 4:
            raise av.error.ExternalError(1, "lost")
        return fetch(frame)

    card.to_host = to_host  # type: ignore[method-assign]
    assert same(odd_video("h264")).why_cpu == "the GPU answers no more (lost)"


def test_a_packet_that_the_card_refuses_sends_that_clip_alone_to_the_cpu(odd_video: OddVideo, use: UseCard) -> None:
    refuse = [True]

    def spoil(number: int, frames: list[VideoFrame]) -> list[VideoFrame]:
        if number == 9 and refuse.pop():
            raise av.error.InvalidDataError(1, "Invalid data found")
        return frames

    use(soft_card(spoil))
    assert same(odd_video("h264")).why_cpu == "the GPU refuses a packet (Invalid data found)"
    assert same(odd_video("h264")).decoder == "nvdec"


Change = Callable[[VideoFrame], VideoFrame]


def darker(frame: VideoFrame) -> VideoFrame:
    changed = VideoFrame.from_ndarray(frame.to_ndarray() // 2, format="nv12")
    changed.pts = frame.pts
    return changed


def wider(frame: VideoFrame) -> VideoFrame:
    """As where pictures are cropped at their left, which frames of a card are not."""
    return frame.reformat(width=frame.width + 16, threads=1)


def recoloured(frame: VideoFrame) -> VideoFrame:
    frame.colorspace = 1  # BT.709, which the scaler goes by
    return frame


@pytest.mark.parametrize("change", [darker, wider, recoloured])
def test_a_card_whose_first_picture_differs_is_not_believed(change: Change, odd_video: OddVideo, use: UseCard) -> None:
    factory = Factory(lambda _, frames: [change(frame) for frame in frames])
    use(Card(factory))
    reasons = [same(odd_video("h264")).why_cpu for _ in range(10)]
    assert reasons[:7] == ["the GPU's first picture is not the CPU's"] * 7
    assert set(reasons[7:]) == {"the GPU failed on 8 clips in a row (the GPU's first picture is not the CPU's)"}
    assert len(factory.made) == 8


def test_a_decoder_that_goes_wrong_is_not_kept(odd_video: OddVideo, use: UseCard) -> None:
    def spoil(number: int, frames: list[VideoFrame]) -> list[VideoFrame]:
        return [darker(frame) for frame in frames] if number > 40 else frames

    factory = Factory(spoil)
    use(Card(factory))
    assert [same(odd_video("h264 five frames")).decoder for _ in range(11)].count("cpu") == 1
    assert factory.made == ["h264"] * 2


def test_clips_that_go_well_between_those_that_fail_keep_the_card(odd_video: OddVideo, use: UseCard) -> None:
    good = [False]
    use(soft_card(lambda _, frames: frames if good[0] else [darker(frame) for frame in frames]))
    for turn in range(12):
        good[0] = turn % 6 == 5
        assert same(odd_video("h264 two frames")).decoder == ("nvdec" if good[0] else "cpu")


class Told:
    """A decoder of which only what it is told counts."""

    def __init__(self, *values: int) -> None:
        names = ("color_range", "colorspace", "color_primaries", "color_trc", "reorder_depth")
        vars(self).update(zip(names, values, strict=True))


def test_a_decoder_is_told_all_that_the_container_says_of_the_pictures() -> None:
    context, cpu = Told(0, 0, 0, 0, 0), Told(1, 2, 3, 4, 5)
    nvdec._tell(context, cpu)  # type: ignore[arg-type]
    assert vars(context) == vars(cpu)


def test_the_streams_own_decoder_is_as_new_after_its_one_picture(odd_video: OddVideo) -> None:
    with av.open(str(odd_video("h264"))) as container:
        stream = container.streams.video[0]
        key = next(container.demux(stream))
        stream.codec_context.reorder_depth = 1  # the bit stream says 2
        assert nvdec._cpu_picture(stream.codec_context, key) is not None
        assert stream.codec_context.reorder_depth == 1
        assert stream.codec_context.decode(key) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda frames: frames[1:], "packets gave"),
        (lambda frames: frames * 2, "packets gave"),
        (lambda frames: [wider(frame) for frame in frames], "size of the pictures changes"),
    ],
)
def test_frames_lost_doubled_or_of_another_size_send_a_clip_to_the_cpu(
    change: Callable[[list[VideoFrame]], list[VideoFrame]], reason: str, odd_video: OddVideo, use: UseCard
) -> None:
    spoilt = []

    def spoil(number: int, frames: list[VideoFrame]) -> list[VideoFrame]:
        if number > 8 and frames and not spoilt:
            spoilt.append(1)
            return change(frames)
        return frames

    use(soft_card(spoil))
    assert reason in (same(odd_video("h264")).why_cpu or "")
    assert same(odd_video("h264")).decoder == "nvdec"  # though pictures of the other clip were left in the decoder


def test_the_one_card_of_a_process_is_asked_for_nvdec_alone(
    odd_video: OddVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nvdec, "HWAccel", None)
    assert read(odd_video("h264"), "cpu").why_cpu is None
