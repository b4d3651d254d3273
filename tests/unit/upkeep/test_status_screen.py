"""The status as its reader sees it."""

from dataclasses import replace
from pathlib import Path

import pytest

from scripts.upkeep.dataset_status import NewSample, StageStatus
from scripts.upkeep.gpus import Gpu, Gpus
from scripts.upkeep.machine import Disk, Machine
from scripts.upkeep.status_screen import WIDTH, render

NOW = 1_795_264_686.0
RUNNING = StageStatus(
    "clip4mc train, frames",
    Path("results/clip4mc/train"),
    wanted=300_000,
    made=174_912,
    failed=31,
    shards=150,
    complete=85,
    running=tuple(f"{shard:05d}" for shard in range(85, 93)),
    rate=412.51,
    newest=(NewSample("sample_174911_x7Ar_9-q", NOW - 3), NewSample("sample_174908_x7Ar_9-q", NOW - 4)),
)
MACHINE = Machine(12.42, 16, 41_200_000_000, 128_000_000_000)
DISKS = [Disk(Path("results"), 1_200_000_000_000, 4_000_000_000_000)]
COOL = Gpu(0, "NVIDIA H200", 87, 41_000_000_000, 150_754_820_096, 64, 512.4, 700.0, (9, 0))
NO_GPUS = Gpus()
HOT = replace(COOL, number=1, temperature_c=91)


def lines(*stages: StageStatus, gpus: Gpus = NO_GPUS, colour: bool = False) -> list[str]:
    return render(stages, MACHINE, DISKS, gpus, now=NOW, colour=colour).splitlines()


def test_a_run_is_told_in_five_lines() -> None:
    assert lines(RUNNING)[2:7] == [
        "clip4mc train, frames: running",
        "  [###########.........]  58.3 %  174,912 of 300,000 made, 31 failed, 125,057 left",
        "  412.5 samples/s, 5 min left",
        "  8 of 150 shards running (00085, 00086, 00087, 00088, 00089, 00090, ...), 85 complete",
        "  newest, 3 s ago: sample_174911_x7Ar_9-q, sample_174908_x7Ar_9-q",
    ]


def test_the_machine_its_disks_and_its_cards_follow() -> None:
    assert lines(RUNNING, gpus=Gpus((COOL, HOT), "575.57"))[-4:] == [
        "this machine: load 12.4 on 16 cores; memory 41.2 GB of 128.0 GB",
        "disk: 1,200.0 GB of 4,000.0 GB free in results",
        "GPU 0 NVIDIA H200: 87 % used; memory 41.0 GB of 150.8 GB; 64 C; 512 of 700 W",
        "GPU 1 NVIDIA H200: 87 % used; memory 41.0 GB of 150.8 GB; 91 C TOO HOT; 512 of 700 W",
    ]


@pytest.mark.parametrize(("celsius", "warned"), [(84, False), (85, True)])
def test_the_warning_begins_at_85_degrees(celsius: int, warned: bool) -> None:
    assert ("TOO HOT" in lines(gpus=Gpus((replace(COOL, temperature_c=celsius),)))[-1]) == warned


def test_what_a_card_does_not_tell_is_a_dash_and_a_lost_one_is_named() -> None:
    gpus = Gpus((Gpu(0, "GRID"), Gpu(1, trouble="GPU is lost")))
    assert lines(gpus=gpus)[-2:] == [
        "GPU 0 GRID: - % used; memory - of -; - C; - of - W",
        "GPU 1 GPU: does not answer (GPU is lost)",
    ]


def test_a_machine_without_a_card_says_so_in_one_line() -> None:
    assert lines(gpus=Gpus(trouble="NVML Shared Library Not Found"))[-1] == (
        "no NVIDIA GPU answers (NVML Shared Library Not Found)"
    )


@pytest.mark.parametrize(
    ("stage", "state"),
    [
        (RUNNING, "running"),
        (replace(RUNNING, paused=True, rate=None), "paused"),
        (replace(RUNNING, running=(), rate=None), "not running"),
        (StageStatus("x", wanted=4, made=4, shards=2, complete=2), "complete"),
        (StageStatus("x", wanted=0), "complete"),
        (StageStatus("x", note="never begun"), "not known"),
        (StageStatus("x", wanted=4, shards=2, note="planned, and nothing made"), "not running"),
    ],
)
def test_the_state_stands_in_the_first_line(stage: StageStatus, state: str) -> None:
    assert lines(stage)[2].endswith(f": {state}")


def test_a_hundred_percent_is_said_only_of_what_is_done() -> None:
    nearly = StageStatus("x", wanted=300_000, made=299_999, shards=150, complete=149)
    assert " 99.9 %" in "\n".join(lines(nearly))
    assert "100.0 %" in "\n".join(lines(replace(nearly, made=300_000)))


def test_a_paused_run_names_its_way_on_and_a_young_one_waits_for_its_rate() -> None:
    assert lines(replace(RUNNING, paused=True, rate=None))[4] == "  `make resume` lets it go on"
    assert lines(replace(RUNNING, rate=None))[4] == "  the first rate comes after ten seconds"


def test_what_is_known_without_a_plan_is_shown() -> None:
    lost = StageStatus("x", made=7, failed=1, shards=2, note="no plan in work/x/frames: ...")
    assert lines(lost)[3] == "  7 made, 1 failed, on record"


def test_no_line_is_wider_than_a_hundred_columns() -> None:
    long_name = "a-dataset-with-sixty-four-characters-in-its-name-as-it-may-have"
    stages = [
        replace(RUNNING, label=f"clip4mc {long_name}, frames"),
        replace(RUNNING, newest=tuple(NewSample(f"sample_{n:06d}_{'v' * 64}", NOW) for n in range(3))),
        StageStatus("x", note=f"/mnt/{'deep/' * 40}: Permission denied"),
        replace(RUNNING, wanted=10**8, made=10**7, failed=10**7, shards=10**5, complete=10**4, rate=99_999.9),
    ]
    gpus = Gpus((replace(HOT, name="NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", number=15),))
    text = lines(*stages, gpus=gpus)
    assert [line for line in text if len(line) > WIDTH] == []


def test_colours_are_for_terminals_alone() -> None:
    gpus = Gpus((COOL, HOT))
    assert "\033" not in "\n".join(lines(RUNNING, gpus=gpus))
    coloured = lines(RUNNING, gpus=gpus, colour=True)
    assert coloured[-1].startswith("\033[1;31m")
    assert "\033" not in coloured[-2]


def test_no_dataset_is_said() -> None:
    assert "The configuration names no dataset." in lines()
