"""Finding the ffmpeg program."""

import shutil
import subprocess

import imageio_ffmpeg  # type: ignore[import-untyped]

from scripts.shared.errors import JobError


def ffmpeg_program() -> str:
    """The ffmpeg on PATH, else the one that the package imageio-ffmpeg brings.

    Raises:
        JobError: there is none.
    """
    if found := shutil.which("ffmpeg"):
        return found
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise JobError("there is no ffmpeg: install one, or `make env-clip4mc` again, which brings one") from error


def ffmpeg_version(program: str) -> str:
    """What an ffmpeg calls its version, such as `n9.0.2`.

    Raises:
        JobError: it does not run.
    """
    try:
        said = subprocess.run([program, "-version"], stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise JobError(f"{program} does not run ({error}); reinstall it, or take it off PATH") from error
    return said.decode(errors="replace").removeprefix("ffmpeg version ").partition(" ")[0]
