"""`decoder: auto`: one trial a dataset where a GPU answers, and none anywhere else."""

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.clip4mc import decoder_choice
from scripts.clip4mc.decoder_choice import Machine, Measured, choice_file, judge
from scripts.clip4mc.gpu_job import hold_decoder
from scripts.clip4mc.stage import frames_stage
from scripts.shared.config import load_config
from scripts.shared.devices import lease
from scripts.shared.errors import SampleError
from scripts.shared.planning.planner import read_wanted
from scripts.shared.planning.stage import Stage
from scripts.shared.sample_task import SampleTask
from tests.fake_gpus import fake_gpus

UUID = "GPU-aa10"
HERE = Machine(("Fake 1000",), 8)


class Trials:
    """In place of the two trials: notes what each would have run with."""

    def __init__(self, cpu: float, gpu: float, on_gpu: int = 16) -> None:
        self.answers = [Measured(cpu, {"cpu": 32}), Measured(gpu, {"nvdec": 2 * on_gpu, "cpu": 32 - 2 * on_gpu})]
        self.tasks: list[list[SampleTask]] = []
        self.devices: list[str | None] = []
        self.workers: list[int] = []

    def __call__(self, tasks: list[SampleTask], workers: int, _: float) -> Measured:
        self.tasks.append(tasks)
        self.devices.append(os.environ.get("CUDA_VISIBLE_DEVICES"))
        self.workers.append(workers)
        return self.answers[len(self.tasks) % 2 - 1]


Put = Callable[..., Trials]


@pytest.fixture
def trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Put]:
    """A machine with one GPU, its locks in a folder of its own, and made-up trials."""
    monkeypatch.chdir(tmp_path)

    def put(*arguments: Any) -> Trials:
        made = Trials(*arguments)
        monkeypatch.setattr(decoder_choice, "_measure", made)
        return made

    with fake_gpus(monkeypatch, tmp_path / "locks", UUID):
        yield put


def stage(machine: Machine | None = HERE, n_clips: int = 40, **options: Any) -> Stage:
    rows = [{"vid": f"v{n}", "transcript": "a tree", "clip_path": f"{n}.mp4"} for n in range(n_clips)]
    Path("pairs.json").write_text(json.dumps([*rows, {"vid": "../"}]))
    Path("clips").mkdir(exist_ok=True)
    for number in range(0, n_clips, 2):  # every other one is missing
        Path("clips", f"{number}.mp4").touch()
    dataset = {"pairs": "pairs.json", "clips_dir": "clips", "workers": 4, "decoder": "auto", **options}
    config = load_config({"clip4mc": {"datasets": {"train": dataset}}}, lambda _: "config.yaml")
    return frames_stage(config, "train", None if machine is None else lambda: machine)


def decided(made: Stage) -> Stage:
    """As the planner does in a real run that has samples to make."""
    return made if made.decide is None else made.decide(made, read_wanted(made))


def decoder(made: Stage) -> str:
    return str(made.means.get("decoder", "cpu"))


def test_the_quicker_one_is_chosen_once_and_kept(trials: Put) -> None:
    for cpu, gpu, chosen in ((10.0, 21.0, "nvdec"), (10.0, 19.0, "cpu")):
        choice_file(stage().work_dir).unlink(missing_ok=True)
        tried = trials(cpu, gpu)
        assert decoder(decided(stage())) == chosen  # one job of four workers at 10 clips/s is 20 on eight cores
        assert decoder(decided(stage())) == decoder(stage()) == chosen
        assert (len(tried.tasks), tried.workers) == (2, [4, 4])


def test_the_trial_takes_sixteen_clips_that_are_there_and_a_leased_device(trials: Put) -> None:
    tried = trials(1.0, 9.0)
    decided(stage())
    on_cpu, on_gpu = tried.tasks
    assert [task.key for task in on_cpu] == [task.key for task in on_gpu]
    assert len({task.key for task in on_cpu}) == 16
    assert on_cpu != sorted(on_cpu, key=lambda task: task.key)
    assert all(task.source.is_file() for task in on_cpu)
    assert {task.means.get("decoder") for task in on_cpu} == {None}
    assert {task.means["decoder"] for task in on_gpu} == {"nvdec"}
    assert tried.devices[1] == UUID
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_without_a_gpu_nothing_is_tried_written_or_changed(trials: Put) -> None:
    tried = trials(1.0, 9.0)
    plain, auto = stage(decoder="cpu"), stage(Machine((), 8))
    after = decided(auto)
    assert (after.means, after.index, after.settings) == (plain.means, plain.index, plain.settings)
    assert not tried.tasks
    assert not auto.work_dir.exists()


def test_on_a_cluster_auto_is_the_cpu_whatever_was_chosen_before(trials: Put) -> None:
    trials(1.0, 9.0)
    assert decoder(decided(stage())) == "nvdec"
    remote = stage(None)
    assert (decoder(remote), remote.decide) == ("cpu", None)


def test_another_machine_decides_anew(trials: Put) -> None:
    tried = trials(1.0, 9.0)
    assert decoder(decided(stage())) == "nvdec"
    assert decoder(decided(stage(Machine((), 8)))) == "cpu"  # no GPU, no trial
    assert len(tried.tasks) == 2
    decided(stage(Machine(("Fake 1000",), 64)))
    assert len(tried.tasks) == 4


def test_the_choice_stands_with_its_reason_in_the_plan_and_the_index(trials: Put) -> None:
    trials(10.0, 30.0)
    made = decided(stage(jobs_per_gpu=2))
    assert {name: made.means[name] for name in ("decoder", "gpus", "jobs_per_gpu")} == {
        "decoder": "nvdec",
        "gpus": "auto",
        "jobs_per_gpu": 2,
    }
    choice = json.loads(choice_file(made.work_dir).read_text())
    assert made.index["decoder_choice"] == choice == stage().index["decoder_choice"]
    assert choice["clips_per_s"] == {"cpu": 20.0, "nvdec": 30.0}
    assert choice["reason"] == "nvdec: 30.0 clips/s on 1 GPU(s), 20.0 on 8 CPU cores; tried on 16 clips"
    assert choice["machine"] == {"gpus": ["Fake 1000"], "cores": 8}


def test_a_gpu_that_others_have_leaves_the_choice_open(trials: Put, capsys: pytest.CaptureFixture[str]) -> None:
    tried = trials(1.0, 9.0)
    with lease(1):
        assert decoder(decided(stage())) == "cpu"
    assert "other jobs have all GPUs" in capsys.readouterr().err
    assert not tried.tasks
    assert not choice_file(stage().work_dir).exists()


def test_without_a_clip_to_try_or_a_package_the_choice_stays_open(
    trials: Put, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trials(1.0, 9.0)
    assert decoder(decided(stage(n_clips=0))) == "cpu"

    def missing(*_: Any) -> None:
        raise ModuleNotFoundError("No module named 'av'", name="av")

    monkeypatch.setattr(decoder_choice, "_measure", missing)
    assert decoder(decided(stage())) == "cpu"
    assert "package av is missing" in capsys.readouterr().err
    assert not choice_file(stage().work_dir).exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"choice": "opencv", "machine": {}}', '{"choice": "nvdec"}'])
def test_a_damaged_choice_is_none(text: str, trials: Put) -> None:
    tried = trials(1.0, 9.0)
    work = stage().work_dir
    work.mkdir(parents=True)
    choice_file(work).write_text(text)
    assert decoder(stage()) == "cpu"
    assert decoder(decided(stage())) == "nvdec"
    assert len(tried.tasks) == 2


@pytest.mark.parametrize(
    ("cpu", "gpu", "on_gpu", "machine", "chosen"),
    [
        (10, 50, 16, Machine(("A",), 16), "nvdec"),  # 40 against 50
        (10, 30, 16, Machine(("A",), 16), "cpu"),  # 40 against 30
        (10, 30, 16, Machine(("A", "A"), 16), "nvdec"),  # 40 against 60
        (10, 15, 16, Machine(("A",) * 8, 4), "nvdec"),  # cores for one job: 10 against 15
        (10, 9, 16, Machine(("A",) * 8, 4), "cpu"),  # 10 against 9, not 72
        (10, 90, 7, Machine(("A",), 16), "cpu"),  # most clips fell back to the CPU
        (0, 0, 16, Machine(("A",), 16), "cpu"),
    ],
)
def test_rates_of_one_job_are_scaled_to_the_whole_run(
    cpu: float, gpu: float, on_gpu: int, machine: Machine, chosen: str
) -> None:
    by_gpu = Measured(gpu, {"nvdec": on_gpu, "cpu": 16 - on_gpu})
    assert judge(Measured(cpu, {"cpu": 16}), by_gpu, machine, workers=4, n_clips=16)["choice"] == chosen


def rest(task: SampleTask) -> str:
    """In place of a sample: slow at first, as where a process starts; one of four fails."""
    first = not hasattr(rest, "began")
    rest.began = True  # type: ignore[attr-defined]
    time.sleep(0.4 if first else 0.02)
    if task.key == "3":
        raise SampleError("corrupt", "made to fail")
    return "nvdec"


def test_the_start_of_a_job_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_choice, "_FUNCTION", "tests.unit.clip4mc.test_decoder_choice:rest")
    tasks = [SampleTask(str(number), {}, {}, {}, Path(), Path()) for number in range(4)]
    measured = decoder_choice._measure(tasks, 2, 30.0)
    assert measured.decoders == {"nvdec": 6, "failed": 2}
    assert 25 < measured.clips_per_s < 76  # at most 100 a second, of which three quarters are made


@pytest.mark.parametrize(
    ("gpus", "n_gpus", "why"),
    [("", 1, "no GPU answers"), (UUID, 0, "the run gives this job no GPU"), (UUID, 1, None)],
)
def test_a_job_without_a_gpu_decodes_on_the_cpu_and_says_why(
    gpus: str, n_gpus: int, why: str | None, trials: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYMILL_FAKE_GPUS", gpus)
    means = {"tokenizer": "embedded", "decoder": "nvdec", "gpus": "auto", "jobs_per_gpu": 1}
    with hold_decoder(means, lambda: False, n_gpus=n_gpus) as held:
        assert held.get("why_cpu") == why
        assert held["decoder"] == ("cpu" if why else "nvdec")
        assert os.environ.get("CUDA_VISIBLE_DEVICES") == (None if why else UUID)


def test_a_job_that_needs_no_gpu_takes_none(trials: Put) -> None:
    with hold_decoder({"tokenizer": "embedded"}, lambda: False, n_gpus=1) as held:
        assert held == {"tokenizer": "embedded"}
        assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_a_job_that_is_to_end_waits_for_no_gpu(trials: Put) -> None:
    means = {"decoder": "nvdec", "gpus": "auto", "jobs_per_gpu": 1}
    with lease(1), hold_decoder(means, lambda: True, n_gpus=1) as held:
        assert held == means
