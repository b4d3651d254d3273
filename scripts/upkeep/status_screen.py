"""The status as text: at most 100 columns, and nothing but plain lines where it does not go to a terminal."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from textwrap import shorten, wrap

from scripts.shared.planning.report import size_text
from scripts.shared.progress import duration_text
from scripts.shared.training.progress_file import ProgressSeen
from scripts.upkeep.dataset_status import StageStatus
from scripts.upkeep.gpus import Gpu, Gpus
from scripts.upkeep.machine import Disk, Machine
from scripts.upkeep.run_status import RunStatus

WIDTH = 100
_BAR = 20
_SHARDS_NAMED = 6
_BOLD, _RED, _PLAIN = "\033[1m", "\033[1;31m", "\033[0m"


def render(
    stages: Sequence[StageStatus],
    machine: Machine,
    disks: Sequence[Disk],
    gpus: Gpus,
    *,
    now: float,
    colour: bool,
    runs: Sequence[RunStatus] = (),
) -> str:
    """All that is known, in lines.

    Args:
        stages: how far the datasets are.
        machine: processors and memory.
        disks: the file systems that results lie on.
        gpus: the cards.
        now: Unix time.
        colour: whether the lines go to a terminal.
        runs: how far the training runs are.
    """
    lines = [f"Polymill, {datetime.fromtimestamp(now):%Y-%m-%d %H:%M:%S}"]
    if not stages and not runs:
        lines += ["", "The configuration names no dataset."]
    for heading, *rest in [*(_stage_lines(stage, now) for stage in stages), *(_run_lines(run, now) for run in runs)]:
        lines += ["", f"{_BOLD}{heading}{_PLAIN}" if colour else heading, *rest]
    lines += ["", *_machine_lines(machine, disks)]
    for gpu in gpus.cards:
        line = _gpu_line(gpu)
        lines.append(f"{_RED}{line}{_PLAIN}" if colour and (gpu.too_hot or gpu.trouble) else line)
    if not gpus.cards:
        lines.append(f"no NVIDIA GPU answers ({gpus.trouble})" if gpus.trouble else "no NVIDIA GPU answers")
    return "\n".join(lines) + "\n"


def _stage_lines(stage: StageStatus, now: float) -> Iterator[str]:
    yield f"{stage.label}: {_state(stage)}"
    if stage.wanted is not None:
        ended = stage.made + stage.failed
        yield (
            f"  {_bar(ended / stage.wanted if stage.wanted else 1.0)} %  "
            f"{stage.made:,} of {stage.wanted:,} made, {stage.failed:,} failed, {stage.left:,} left"
        )
    elif stage.made or stage.failed:
        yield f"  {stage.made:,} made, {stage.failed:,} failed, on record"
    if stage.running:
        yield f"  {_speed(stage)}"
        yield f"  {_shards(stage)}"
    elif stage.shards and stage.complete < stage.shards:
        yield f"  {stage.complete:,} of {stage.shards:,} shards complete"
    if stage.newest:
        ago = duration_text(max(now - stage.newest[0].at, 0))
        yield f"  newest, {ago} ago: {_as_many_as_fit([sample.key for sample in stage.newest], WIDTH - 30)}"
    if stage.note:
        yield from wrap(stage.note, WIDTH, initial_indent="  ", subsequent_indent="  ")


def _run_lines(run: RunStatus, now: float) -> Iterator[str]:
    yield f"{run.label}: {run.state}"
    if seen := run.progress:
        yield (
            f"  {_bar(seen.step / max(seen.steps, 1))} %  "
            f"epoch {seen.epoch:,} of {seen.epochs:,}, step {seen.step:,} of {seen.steps:,}"
        )
        loss = "no number" if seen.loss is None else f"{seen.loss:.4g}"
        yield f"  loss {loss}, learning rate {seen.lr:.3g}{_run_times(run, seen, now)}"
    if run.note:
        yield from wrap(run.note, WIDTH, initial_indent="  ", subsequent_indent="  ")


def _run_times(run: RunStatus, seen: ProgressSeen, now: float) -> str:
    if run.state == "running":
        left = "" if seen.eta_s is None else f", {duration_text(max(seen.eta_s - (now - seen.at), 0))} left"
        return f"{left}, told {duration_text(max(now - seen.at, 0))} ago"
    if run.state == "paused":
        return "; `make resume` lets it go on"
    return f", trained for {duration_text(run.time_s)}"


def _bar(part: float) -> str:
    filled = int(part * _BAR)
    # Rounded down: 100 % is said only where nothing is left.
    return f"[{'#' * filled}{'.' * (_BAR - filled)}] {int(part * 1000) / 10:5.1f}"


def _state(stage: StageStatus) -> str:
    if stage.running:
        return "paused" if stage.paused else "running"
    if stage.wanted is None:
        return "not known" if stage.note else "nothing planned"
    return "complete" if stage.complete == stage.shards else "not running"


def _speed(stage: StageStatus) -> str:
    if stage.paused:
        return "`make resume` lets it go on"
    if stage.rate is None:
        return "the first rate comes after ten seconds"
    left = stage.seconds_left
    return f"{stage.rate:,.1f} samples/s" + (f", {duration_text(left)} left" if left is not None else "")


def _shards(stage: StageStatus) -> str:
    named = ", ".join(stage.running[:_SHARDS_NAMED]) + (", ..." if len(stage.running) > _SHARDS_NAMED else "")
    return f"{len(stage.running):,} of {stage.shards:,} shards running ({named}), {stage.complete:,} complete"


def _as_many_as_fit(names: Sequence[str], width: int) -> str:
    text = names[0] if len(names[0]) <= width else f"{names[0][: width - 3]}..."
    for name in names[1:]:
        if len(text) + len(name) + 2 > width:
            break
        text += f", {name}"
    return text


def _machine_lines(machine: Machine, disks: Sequence[Disk]) -> Iterator[str]:
    yield (
        f"this machine: load {machine.load:.1f} on {machine.cores} cores; "
        f"memory {size_text(machine.memory_used)} of {size_text(machine.memory_total)}"
    )
    for disk in disks:
        yield f"disk: {size_text(disk.free)} of {size_text(disk.total)} free in {disk.folder}"


def _gpu_line(gpu: Gpu) -> str:
    start = f"GPU {gpu.number} {shorten(gpu.name, 30, placeholder='...')}"
    if gpu.trouble:
        return f"{start}: does not answer ({gpu.trouble})"
    return (
        f"{start}: {_or_dash(gpu.use_percent)} % used; memory {_size(gpu.memory_used)} of {_size(gpu.memory_total)}; "
        f"{_or_dash(gpu.temperature_c)} C{' TOO HOT' if gpu.too_hot else ''}; "
        f"{_or_dash(gpu.power_w)} of {_or_dash(gpu.power_limit_w)} W"
    )


def _size(n_bytes: int | None) -> str:
    return "-" if n_bytes is None else size_text(n_bytes)


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
