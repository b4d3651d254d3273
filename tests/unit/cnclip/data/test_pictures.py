"""Pictures are decoded whole or refused with the reason, and nothing large is decoded to find that out."""

import base64
import io
import struct
import subprocess
import sys
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.cnclip.data.pictures import open_picture, picture_facts, thumbnail
from scripts.shared.errors import SampleError

GOLDEN = Path("tests/data/golden/cnclip")
NOISE = np.random.default_rng(7).integers(0, 256, (40, 60, 4), np.uint8)


def file_of(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    content = io.BytesIO()
    picture.save(content, kind, **options)
    return content.getvalue()


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header claims a size, with a few bytes of pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def refused(data: bytes) -> str:
    with pytest.raises(SampleError) as caught:
        open_picture(data)
    with pytest.raises(SampleError) as by_facts:
        picture_facts(data)
    assert str(by_facts.value) == str(caught.value)
    return caught.value.error


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_a_picture_keeps_its_own_mode_because_upstream_resizes_before_it_makes_rgb(mode: str) -> None:
    whole = Image.fromarray(NOISE)
    picture = whole.convert("RGB").convert(mode) if mode in ("P", "CMYK") else whole.convert(mode)
    data = file_of(picture, "TIFF" if mode == "CMYK" else "PNG")
    opened = open_picture(data)
    assert (opened.mode, opened.size) == (mode, (60, 40))
    np.testing.assert_array_equal(np.asarray(opened.convert("RGB")), np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize("name", ["bilevel.png", "cmyk.jpg", "gray.png", "la.png", "palette.png", "rgba.png"])
def test_what_upstream_opened_is_opened_in_the_same_mode_and_size(name: str) -> None:
    with np.load(GOLDEN / "preprocess_golden.npz") as golden:
        data, size_mode = golden[f"mode/{name}/file"].tobytes(), golden[f"mode/{name}/size_mode"]
        pixels = golden[f"mode/{name}/uint8_64"]
    opened = open_picture(data)
    assert f"{opened.width}x{opened.height} {opened.mode}" == size_mode
    resized = opened.resize((64, 64), Image.Resampling.BICUBIC).convert("RGB")
    np.testing.assert_array_equal(np.asarray(resized), pixels)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_grey_becomes_its_high_byte_and_not_white(kind: str) -> None:
    values = np.linspace(0, 65535, 256, dtype=np.uint16).reshape(16, 16)
    data = file_of(Image.fromarray(values), kind)
    opened = open_picture(data)
    assert opened.mode == "L"
    np.testing.assert_array_equal(np.asarray(opened), values >> 8)
    assert picture_facts(data).mode == "I;16"


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_an_animation_gives_its_first_frame(kind: str) -> None:
    frames = [Image.new("RGB", (12, 8), color) for color in ("red", "blue", "green")]
    data = file_of(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)
    assert open_picture(data).convert("RGB").getpixel((3, 3)) == (255, 0, 0)
    assert picture_facts(data).animated


def test_facts_tell_the_files_hash_size_format_and_mode() -> None:
    data = file_of(Image.fromarray(NOISE[..., :3]), "JPEG")
    facts = picture_facts(data)
    assert (facts.width, facts.height, facts.format, facts.mode, facts.animated) == (60, 40, "JPEG", "RGB", False)
    assert facts.sha1 == subprocess.run(["sha1sum"], input=data, capture_output=True, check=True).stdout[:40].decode()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_a_file_that_was_cut_is_refused_and_not_filled_with_grey(kind: str, kept: float) -> None:
    data = file_of(Image.fromarray(NOISE[..., :3]), kind)
    assert refused(data[: int(len(data) * kept)]) in ("truncated", "damaged")


def test_a_cut_jpeg_is_called_truncated() -> None:
    data = file_of(Image.fromarray(NOISE[..., :3]), "JPEG")
    assert refused(data[:-200]) == "truncated"


@pytest.mark.parametrize(
    "data", [b"\0", b"GIF89a", b"\xff\xd8\xff", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"<svg/>" * 99, b"BM"]
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    assert refused(data) in ("no_picture", "damaged", "truncated")


def test_pixels_without_a_known_range_are_refused_with_the_mend() -> None:
    data = file_of(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF")
    assert refused(data) == "unsupported_mode"


@pytest.mark.filterwarnings("ignore")  # Pillow says of damaged tags what it passes over
def test_changed_bytes_end_in_a_picture_or_a_named_error() -> None:
    draws = np.random.default_rng(3)
    for kind in ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"):
        data = file_of(Image.fromarray(NOISE[:12, :12, :3]), kind)
        for _ in range(60):
            broken = bytearray(data)
            for place in draws.integers(0, len(data), 4):
                broken[place] = draws.integers(256)
            with suppress(SampleError):  # anything else fails the test
                open_picture(bytes(broken))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # pytest shows all again
def test_a_bomb_is_refused_by_its_header() -> None:
    assert refused(png_of_size(40_000, 40_000)) == "too_large"
    assert refused(png_of_size(12_000, 12_000)) == "too_large"  # above Pillow's warning, below its error
    assert refused(png_of_size(2**31 - 1, 2**31 - 1)) == "too_large"


def test_a_bomb_takes_no_memory() -> None:
    # Decoded, it would take 4.8 GB.
    code = (
        "import resource, sys, base64\n"
        "from scripts.cnclip.data.pictures import picture_facts\n"
        "from scripts.shared.errors import SampleError\n"
        "data = base64.b64decode(sys.stdin.read())\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    picture_facts(data)\nexcept SampleError as error:\n    print(error.error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    bomb = base64.b64encode(png_of_size(40_000, 40_000)).decode()
    ran = subprocess.run([sys.executable, "-c", code], input=bomb, capture_output=True, text=True, check=True)
    error, kilobytes = ran.stdout.split()
    assert error == "too_large"
    assert int(kilobytes) < 20_000


def test_grey_that_is_darker_where_it_is_transparent_can_be_made_rgb() -> None:
    whole = Image.fromarray(NOISE).convert("LA")
    data = bytearray(file_of(whole, "TIFF"))
    extra = data.index(struct.pack("<HHI", 338, 3, 1)) + 8  # the tag that says what the second channel means
    assert data[extra : extra + 2] == b"\x02\0"
    data[extra] = 1
    opened = open_picture(bytes(data))
    assert opened.mode == "LA"
    assert opened.resize((4, 4)).convert("RGB").size == (4, 4)


def test_a_thumbnail_is_small_and_white_where_it_is_transparent() -> None:
    clear = Image.new("RGBA", (300, 150), (255, 0, 0, 0))
    small = thumbnail(file_of(clear), 100)
    assert (small.mode, small.size, small.getpixel((50, 25))) == ("RGB", (100, 50), (255, 255, 255))
