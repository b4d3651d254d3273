"""What `make doctor` says of this machine: versions, packages, cards, ffmpeg."""

import importlib
import importlib.util
import platform
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from scripts.shared.errors import JobError
from scripts.shared.packages import installed_version
from scripts.shared.planning.report import size_text
from scripts.upkeep.findings import Finding
from scripts.upkeep.gpus import Gpu, Gpus
from scripts.upkeep.machine import Machine

ROOT = Path(__file__).resolve().parents[2]
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;#]+)", re.MULTILINE)
_PLUGINS = re.compile(r"snakemake-(executor|logger|storage|scheduler|report)-plugin-[a-z0-9-]+")
_PATIENCE_S = 20


def check_versions(machine: Machine) -> Iterator[Finding]:
    """The versions of Polymill, Python and Snakemake, and the size of the machine."""
    yield Finding("ok", f"Polymill at {_commit()}")
    yield Finding("ok", f"Python {platform.python_version()} on {platform.platform()}")
    yield Finding("ok", f"{machine.cores} cores, {size_text(machine.memory_total)} of memory")
    plugins = sorted(
        f"{name} {distribution.version}"
        for distribution in metadata.distributions()
        if _PLUGINS.fullmatch(name := distribution.name.lower())
    )
    yield Finding(
        "ok", f"Snakemake {installed_version('snakemake') or 'missing'}; plugins: {', '.join(plugins) or 'none'}"
    )


def _commit() -> str:
    commit = _output(["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"]).strip()
    if not commit:
        return "an unknown commit (no git, or no clone)"
    changed = _output(["git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no"])
    return f"commit {commit}{' with local changes' if changed else ''}"


def _output(command: list[str]) -> str:
    """What a command prints; empty where it cannot be started, fails or takes too long."""
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout if ran.returncode == 0 else ""


def check_packages(groups: Iterable[str], folder: Path = ROOT / "envs") -> Iterator[Finding]:
    """Compare the installed packages with the pins of `requirements-<group>.txt`.

    Args:
        groups: `base`, and the systems that the configuration uses.
        folder: where the requirements are.
    """
    for group in groups:
        path = folder / f"requirements-{group}.txt"
        if not path.exists():
            continue
        pins = dict(_PIN.findall(path.read_text(encoding="utf-8")))
        mend = f"`make {'env' if group == 'base' else f'env-{group}'}` installs it"
        # The build of ONNX Runtime for GPUs has a name of its own.
        versions = {name: installed_version(name) or installed_version(f"{name}-gpu") for name in pins}
        for name, wanted in pins.items():
            found = versions[name]
            if not found:
                yield Finding("WRONG", f"package {name} is missing", mend)
            elif found.partition("+")[0] != wanted:  # torch names its build, as in 2.13.0+cpu
                yield Finding("WARNING", f"package {name} is {found}, tested was {wanted}", mend)
        listed = ", ".join(f"{name} {found or '-'}" for name, found in versions.items())
        yield Finding("ok", f"packages of {group}: {listed}")


def check_libraries() -> Iterator[Finding]:
    """The libraries that bring other programs' code: PyAV's FFmpeg, and torch with its CUDA where it is installed."""
    try:
        av = importlib.import_module("av")
        devices = importlib.import_module("av.codec.hwaccel").hwdevices_available()
    except ImportError as error:
        yield Finding("WRONG", f"PyAV cannot be loaded ({error})", "`make env-clip4mc` installs it")
    else:
        yield Finding("ok", f"PyAV {av.__version__} with FFmpeg {av.ffmpeg_version_info}, built for the hardware "
                      f"decoders {', '.join(devices) or 'none'}")  # fmt: skip
    if importlib.util.find_spec("torch") is None:
        yield Finding("ok", "torch is not installed: what is configured does not need it")
        return
    try:
        torch = importlib.import_module("torch")
    except (ImportError, OSError) as error:  # a CUDA library is missing, or is of another version
        yield Finding("WRONG", f"torch cannot be loaded ({error})", "install the build for this machine's driver")
        return
    cuda = f"CUDA {torch.version.cuda}" if torch.version.cuda else "no CUDA"
    yield Finding("ok", f"torch {torch.__version__}, {cuda}, {torch.cuda.device_count()} GPUs usable")


def check_gpus(gpus: Gpus) -> Iterator[Finding]:
    """Each card with its memory and the codecs that it decodes."""
    if not gpus.cards:
        yield Finding("ok", f"no NVIDIA GPU answers ({gpus.trouble or 'there is none'}); all runs on the CPU")
        return
    yield Finding("ok", f"NVIDIA driver {gpus.driver}")
    for gpu in gpus.cards:
        yield _check_gpu(gpu)


def _check_gpu(gpu: Gpu) -> Finding:
    name = f"GPU {gpu.number}: {gpu.name}"
    if gpu.trouble:
        return Finding("WARNING", f"GPU {gpu.number} does not answer ({gpu.trouble})", "see `nvidia-smi`; a restart of "
                       "the machine mends most of it")  # fmt: skip
    memory = size_text(gpu.memory_total) if gpu.memory_total is not None else "unknown"
    capability = ".".join(map(str, gpu.capability)) if gpu.capability else "unknown"
    what = f"{name}, memory {memory}, compute capability {capability}; decodes {', '.join(gpu.codecs) or 'unknown'}"
    if gpu.too_hot:
        return Finding("WARNING", f"{what}; {gpu.temperature_c} C", "so hot it slows down: see to its cooling")
    return Finding("ok", what)


def check_ffmpeg() -> Finding:
    """The ffmpeg program that cuts clips: the one on PATH, else imageio-ffmpeg's."""
    try:
        program: str = importlib.import_module("scripts.shared.video.ffmpeg_program").ffmpeg_program()
    except (ImportError, JobError):
        return Finding("WARNING", "there is no ffmpeg", "clips cannot be cut; `make env-clip4mc` brings one")
    version = _output([program, "-version"]).partition(" Copyright")[0]
    if not version:
        return Finding("WARNING", f"{program} does not run", "clips cannot be cut; reinstall it, or take it off PATH")
    origin = "on PATH" if shutil.which("ffmpeg") else "of imageio-ffmpeg"
    listed = _output([program, "-hide_banner", "-hwaccels"]).split(":", 1)[-1].split()
    return Finding("ok", f"{version} {origin}, built for the hardware decoders {', '.join(listed) or 'none'}")
