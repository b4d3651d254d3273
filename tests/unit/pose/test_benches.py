"""The benches of the pose system count what they say they count; that of a GPU is tried on the CPU with small nets."""

from pathlib import Path

import pytest

from scripts.pose.names import allocate
from tests.bench.pose import bench_pose_gpu, one_evaluation, presets_section
from tests.bench.pose.bench_presets import ways
from tests.bench.pose.pose_job import captions
from tests.bench.table import NotMeasured
from tests.gpu import pose_checks
from tests.pose_models import write_small_model
from tests.unit.pose.nets.golden_nets import small_mardm


def test_the_captions_of_a_bench_are_all_different_and_so_are_their_names() -> None:
    listed = captions(10_100)
    assert len(set(listed)) == 10_100
    assert listed[:10_000] == captions(10_000)
    assert not [name for name in allocate(listed) if name[-9] == "-"]  # no name had to be made unique


def test_one_evaluation_sees_each_token_of_a_pose_once(tmp_path: Path) -> None:
    write_small_model(tmp_path / "small.safetensors")
    told = one_evaluation.ours(tmp_path / "small.safetensors", 8, n_tokens=7, time_steps=18)
    assert (told["poses"], told["tokens"]) == (8, 56)
    assert 0 < told["evaluations_s"] < 10
    assert 0 < told["rest_s"] < 10


def test_the_presets_are_compared_by_the_tokens_that_each_order_of_work_samples() -> None:
    of = ways()
    tokens = {name: (of[f"preset {name}"].tokens_in_mardms_order(), of[f"preset {name}"].n_tokens) for name in
              ("fast", "standard", "high")}  # fmt: skip
    assert tokens == {"fast": (15, 2), "standard": (47, 4), "high": (258, 8)}


@pytest.fixture
def on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in {
        "DEVICE": "cpu",
        "full_model": small_mardm,
        "why_no_gpu": lambda: None,
        "reset_memory": lambda: None,
        "most_gib": lambda: 1.5,
        "picture_ms": lambda: {"MARDM's": 60.0, "ours": 6.0},
        "N_BATCHES": {"MARDM's": 1, "ours": 1},
        "PRECISIONS": ("fp32",),
    }.items():
        monkeypatch.setattr(bench_pose_gpu, name, value)
    monkeypatch.setattr(pose_checks, "_CHANNELS", 32)
    monkeypatch.setattr(pose_checks, "_TEXT", 40)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "No Card")
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2})
    return monkeypatch


def test_the_bench_of_a_gpu_has_a_row_for_each_way_and_for_the_job(on_the_cpu: pytest.MonkeyPatch) -> None:
    on_the_cpu.setattr(bench_pose_gpu, "job_ms", lambda _: {"generate": 2.0, "render": 1.0})
    table = bench_pose_gpu.run()
    mardms, ours, job = table.rows
    assert [row[0] for row in table.rows] == ["MARDM's order, 8 at once", "ours, fp32", "job, tf32"]
    assert {len(row) for row in table.rows} == {len(table.columns)}
    assert mardms[-1] == pytest.approx((mardms[2] + 60) / 6)
    assert ours[-1] == pytest.approx((ours[2] + 2) / 6)  # three cores draw
    assert (float(mardms[1]) > 14, ours[1]) == (True, "64")
    assert job[-1] == pytest.approx(0.5)


def test_a_package_that_is_missing_costs_the_bench_its_job_alone(on_the_cpu: pytest.MonkeyPatch) -> None:
    def needs_orjson(_: Path) -> None:
        raise ModuleNotFoundError(name="orjson")

    taken = bench_pose_gpu.Taken(pose_ms=3.0, first_s=1.0, evaluations=64, gib=2.0)
    for name, instead in {"job_ms": needs_orjson, "mardms": lambda: taken, "ours": lambda _: taken}.items():
        on_the_cpu.setattr(bench_pose_gpu, name, instead)
    table = bench_pose_gpu.run()
    assert len(table.rows) == 2
    assert "Job not measured: the Python package orjson is missing." in table.notes


def test_without_a_gpu_its_bench_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_pose_gpu, "why_no_gpu", lambda: "no GPU answers")
    with pytest.raises(NotMeasured, match="no GPU answers"):
        bench_pose_gpu.run()


@pytest.mark.parametrize("rest", ["", "## The next\nIts words.\n"])
def test_the_section_on_presets_takes_the_place_of_the_older_one(rest: str) -> None:
    title = presets_section.TITLE
    page = f"# Poses\nWords.\n\n{title}\nOld words.\n\n| old | table |\n\n{rest}"
    wanted = f"# Poses\nWords.\n\n{title}\nNew words.\n" + (f"\n{rest}" if rest else "")
    assert presets_section.with_section(page, f"{title}\nNew words.\n") == wanted
    assert presets_section.with_section(wanted, f"{title}\nNew words.\n") == wanted
    assert presets_section.with_section("# Poses\nWords.\n", f"{title}\nNew words.\n").count(title) == 1


def test_the_page_has_the_presets_as_they_were_measured() -> None:
    measured = presets_section.results("presets")
    assert presets_section.section(measured, 15) in presets_section.PAGE.read_text(encoding="utf-8")
