"""Decoding an audio file: blocks of samples as its channels have them.

One decoder a format, since decoders differ: libsndfile where it knows the format, but for Opus, which FFmpeg decodes
without the delay of one sample that libsndfile adds; FFmpeg for the others. Never FFmpeg for FLAC: it passes damage.
"""

from __future__ import annotations  # PyAV's Packet is generic in its stubs only

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import av.error
import numpy as np
import soundfile  # type: ignore[import-untyped]
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from scripts.shared.audio.file_end import cut_off
from scripts.shared.audio.mpeg import counts_its_frames
from scripts.shared.errors import SampleError
from scripts.shared.source_file import SourceFile

_BLOCK = 1 << 17  # samples of all channels together
_SOUNDFILE_FORMATS = frozenset({"WAV", "WAVEX", "RF64", "W64", "FLAC", "OGG", "MP3", "AIFF", "AU", "CAF", "NIST"})
_MP3_SLACK = 2 * 1152  # samples: some encoders count the frame that holds the count
_OPUS_SLACK = 5760  # samples, of the longest packet: where a stream was cut, the decoder takes one to start
_UNKNOWN = 2**63 - 1


class AudioFile(SourceFile):
    """An audio file, open; see `SourceFile`."""

    noun = "recording"
    not_one = "unreadable"
    formats = "mov,mp4,matroska,webm,ogg,aac,asf,mp3,wav,w64,aiff,au,caf,amr,ac3,eac3,ape,wv,tta,mpegts,avi,flv"

    def cut_off(self) -> str | None:
        """What is missing at the end of the file; see `file_end.cut_off`."""
        return cut_off(self.read_at, self.size)

    def truncated(self, what: str) -> SampleError:
        """The failed sample for a file that ends too early."""
        return SampleError("truncated", f"{self.path.name}: {what}; copy or download it again")

    def corrupt(self, what: str) -> SampleError:
        """The failed sample for a file that is damaged within."""
        return SampleError("corrupt", f"{self.path.name}: {what}; copy or download it again")


@dataclass(frozen=True)
class Decoded:
    """An audio file being decoded.

    Attributes:
        decoder: "soundfile" or "pyav".
        sample_rate: in Hz.
        channels: their number.
        blocks: float32 (n, channels) each, in order; full scale is 1, and nothing is clipped.
    """

    decoder: str
    sample_rate: int
    channels: int
    blocks: Iterator[NDArray[np.float32]]


@contextmanager
def open_decoder(path: Path) -> Iterator[Decoded]:
    """Open an audio file and decode it, block by block.

    Raises:
        SampleError: here or while blocks are taken: `not_found`, `not_a_file`, `unreadable`, `empty_file`,
            `no_audio_stream`, `no_samples`, `unsupported`, `truncated`, `corrupt`.
    """
    with ExitStack() as opened:
        file = opened.enter_context(AudioFile(path))
        with file.sample_errors("unreadable", "cannot be read"):
            if missing := file.cut_off():
                raise file.truncated(missing)
        sound = _open_soundfile(file)
        if sound is not None:
            opened.enter_context(sound)
            yield Decoded("soundfile", sound.samplerate, sound.channels, _soundfile_blocks(file, sound))
        else:
            container = opened.enter_context(file.open_container())
            stream = _audio_stream(file, container)
            frames = _frames(file, container, stream)
            first = next(frames, None)
            if first is None:
                raise SampleError("no_samples", f"{path.name}: holds no samples")
            blocks = map(_block, chain([first], frames))
            yield Decoded("pyav", first.sample_rate, len(first.layout.channels), blocks)


class _Forward(soundfile.SoundFile):  # type: ignore[misc]
    """A sound file that is only read onwards.

    The class seeks after each read, and an MP3 goes on with other samples then (up to 0.14 away).
    """

    def seekable(self) -> bool:
        return False


def _open_soundfile(file: AudioFile) -> _Forward | None:
    """The file opened by libsndfile; None where FFmpeg shall try."""
    try:
        sound = _Forward(file.fd, closefd=False)
    except soundfile.LibsndfileError:
        return None
    if sound.format in _SOUNDFILE_FORMATS and sound.subtype != "OPUS":
        return sound
    sound.close()
    return None


def _soundfile_blocks(file: AudioFile, sound: _Forward) -> Iterator[NDArray[np.float32]]:
    n_block = max(_BLOCK // sound.channels, 1)
    n_read = 0
    while True:
        try:
            block: NDArray[np.float32] = sound.read(n_block, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            what = f"its decoder stops after about {n_read} of {sound.frames} samples ({_reason(error)})"
            # At the end of the file the decoder misses the rest; before it, something else is in its place.
            at_end = os.lseek(file.fd, 0, os.SEEK_CUR) >= file.size
            raise (file.truncated if at_end else file.corrupt)(what) from error
        if not len(block):
            break
        n_read += len(block)
        yield block
    if not n_read:
        raise SampleError("no_samples", f"{file.path.name}: no samples by its header; was its writer ended early?")
    if n_read < _promised(file, sound):
        raise file.truncated(f"its header promises {sound.frames} samples, and {n_read} decode")


def _promised(file: AudioFile, sound: _Forward) -> int:
    """The samples that there must be by the file's header; 0 where it does not say."""
    if sound.format == "MP3":
        # Without a count in the file, `frames` is a guess.
        return sound.frames - _MP3_SLACK if counts_its_frames(file.read_at, file.size) else 0
    return 0 if sound.frames == _UNKNOWN else int(sound.frames)  # FLAC written to a pipe


def _reason(error: soundfile.LibsndfileError) -> str:
    return str(error.error_string).removeprefix("Error : ").rstrip(".")


def _audio_stream(file: AudioFile, container: InputContainer) -> AudioStream:
    stream = container.streams.best("audio")
    if not isinstance(stream, AudioStream):
        raise SampleError(
            "no_audio_stream", f"{file.path.name}: no audio stream in this {container.format.name} file; is it one?"
        )
    if stream.codec_context is None:
        raise SampleError("unsupported", f"{file.path.name}: no decoder for its audio stream; convert it to FLAC")
    stream.codec_context.thread_type = "NONE"
    stream.codec_context.thread_count = 1
    return stream


def _frames(file: AudioFile, container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    """The frames of a stream, all of one rate."""
    n_packets = n_samples = rate = 0
    with file.sample_errors("corrupt", "the container is damaged"):
        for packet in container.demux(stream):
            n_packets += packet.size > 0
            if packet.is_corrupt:
                raise file.truncated(f"its packet {n_packets} is not whole")
            try:
                frames = packet.decode()
            except av.error.FFmpegError as error:
                raise file.corrupt(f"its packet {n_packets} does not decode ({error.strerror or error})") from error
            for frame in frames:
                rate = rate or frame.sample_rate
                if frame.sample_rate != rate:
                    what = f"goes on at {frame.sample_rate} Hz after {rate} Hz"
                    raise SampleError("unsupported", f"{file.path.name}: {what}; convert it to FLAC")
                n_samples += frame.samples
                yield frame
            if packet.dts is None and packet.pts is None and not packet.size:
                break  # PyAV's mark of the end; asked for more, it stumbles over streams that turned up on the way
    if n_packets < stream.frames:  # which MP4 files count in their index
        _check_index(file, stream)
    promised = _opus_samples(container, stream)
    if n_samples < promised - _OPUS_SLACK:  # FFmpeg leaves damaged pages out and says nothing
        raise file.corrupt(f"its last page ends {promised} samples after its begin, and {n_samples} decode")


def _opus_samples(container: InputContainer, stream: AudioStream) -> int:
    """Samples at 48 kHz that the pages of an Ogg Opus file say there are; 0 for other files."""
    header = stream.codec_context.extradata or b""
    if container.format.name != "ogg" or header[:8] != b"OpusHead" or not stream.duration:
        return 0
    return stream.duration - int.from_bytes(header[10:12], "little")  # the decoder's start-up, which is left out


def _check_index(file: AudioFile, stream: AudioStream) -> None:
    """Whether the packets that were not given are there: an edit list leaves some out.

    Raises:
        SampleError: `truncated`.
    """
    with (
        file.open_container(ignore_editlist="1") as container,
        file.sample_errors("corrupt", "the container is damaged"),
    ):
        n_packets = sum(packet.size > 0 for packet in container.demux(container.streams[stream.index]))
    if n_packets < stream.frames:
        raise file.truncated(f"its index lists {stream.frames} packets, and it holds {n_packets}")


def _block(frame: AudioFrame) -> NDArray[np.float32]:
    """The samples of a frame, (n, channels) float32."""
    array = frame.to_ndarray()
    samples = array.T if frame.format.is_planar else array.reshape(frame.samples, -1)
    if samples.dtype.kind == "f":
        return samples.astype(np.float32, copy=False)
    n_bits = 8 * samples.dtype.itemsize
    centred = samples.astype(np.float32) - (1 << (n_bits - 1) if samples.dtype.kind == "u" else 0)
    block: NDArray[np.float32] = centred / np.float32(1 << (n_bits - 1))
    return block
