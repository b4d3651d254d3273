"""The page on scale is computed from the kept results, and says where nothing was measured."""

import json
from pathlib import Path

import pytest

from tests.bench import scale
from tests.bench.cnclip import bench_cnclip_cpu, bench_cnclip_training_gpu, training_step


def test_the_page_is_that_of_the_kept_results() -> None:
    assert scale.PAGE.read_text(encoding="utf-8") == scale.page()


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Made results of Chinese CLIP: a check of 1.8 ms, an LMDB of 0.9 ms, encoding of 18 and 9 ms, 36 ms by torch."""
    found = {
        "check": {"plain": 0.0017, "ours": 0.0018},
        "store": {"plain": 0.0009, "ours": 0.0009},
        "encode": {"torch": 0.036, "ONNX fp32": 0.018, "ONNX int8": 0.009},
        "rank": {"plain": 0.01, "ours": 0.002},
    }
    rows = [row for work, each in found.items() for row in bench_cnclip_cpu.rows_of(work, each)]
    columns = ["work", "CPU ms", "baseline", "its CPU ms", "baseline / this", "a second and core"]
    write(tmp_path / "cnclip_cpu.json", columns, rows)
    monkeypatch.setattr(scale, "RESULTS", tmp_path)
    return tmp_path


def write(path: Path, columns: list[str], rows: list[list[str | int | float | None]]) -> None:
    path.write_text(json.dumps({"machine": {"cores": 2}, "table": {"columns": columns, "rows": rows}}))


def test_two_million_pairs_take_their_number_times_what_one_takes(kept: Path) -> None:
    section = scale.cnclip_section()
    assert "one job,\n0.5 hours of one core" in section
    assert "| check | 0.0018 | 1 | 0.031 | 0.016 |" in section
    assert "| decoding and encoding, ViT-B/32 by torch | 0.038 | 21 | 0.7 | 0.3 |" in section
    assert "| decoding and encoding, ViT-B/32 by ONNX int8 | 0.011 | 6 | 0.2 | 0.094 |" in section


def test_cards_are_said_to_be_unmeasured_until_they_are(kept: Path) -> None:
    unmeasured = " | not measured" * (1 + len(scale.GPUS)) + " |"
    for name in ("decoding and encoding, ViT-B-16_RoBERTa-wwm-ext-base-chinese", "an epoch of ViT-B/16"):
        assert f"| {name}{unmeasured}" in scale.cnclip_section()
    ways = [way.name for way in training_step.ways()]
    columns = list(bench_cnclip_training_gpu.EMPTY.columns)
    write(kept / "cnclip_training_gpu.json", columns, [[way, 128, 1.0, 1.0, 1000, 9.0, 0.0] for way in ways])
    write(kept / "cnclip_decoding_gpu.json", ["model"], [["some model", 16, 9000, 4000, 1.0]])
    section = scale.cnclip_section()
    assert "| an epoch of ViT-B/16, batches of 128 | 1000.0 | 0.6 | 0.3 | 0.1 | 0.1 |" in section
    assert "| decoding and encoding, some model | 4000.0 | 0.1 | 0.1 | 0.0 | 0.0 |" in section


def test_what_larger_datasets_take_lies_on_the_line_through_the_two_largest_measured(kept: Path) -> None:
    columns = ["samples, command", "wall s", "CPU s", "MiB"]
    made = [[f"{n:,}, -n, all made", None, cpu, mib] for n, cpu, mib in
            ((1_000, 99.0, 9), (10_000, 2.0, 140), (100_000, 6.5, 230))]  # fmt: skip
    write(kept / "scale_recordings.json", columns, made)
    section = scale.planning_section()
    assert "| 100,000 recordings, -n, all made | 6.5 | 230 | 200,000 |" in section
    assert "| 300,000 recordings, -n, all made | *16.5* | *430* | 600,000 |" in section
    assert "| 100,000,000 recordings, -n, all made | *5,002* | *100,130* | 200,000,000 |" in section
    assert "clips" not in section


def test_a_dataset_leaves_as_many_files_and_jobs_as_its_samples_and_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    assert scale.shard_size(scale.KINDS[1]) >= 1_000
    monkeypatch.setattr(scale, "shard_size", lambda kind: {1: 2_000, 3: 2_500}[kind.stages])
    section = scale.limits_section()
    assert "| CLIP4MC, 300,000 clips | 1,200,000 | 150 | 0.2 | 0.023 (dataset_info.json) |" in section
    assert "| Pose, 3,000,000 captions | 12,000,000 | 3,600 | 6.2 | 1.1 (index.csv) |" in section
    assert "| Speaker, 100,000,000 recordings | 100,000,000 | 50,000 | 60.0 | 102.4 (embeddings.npy) |" in section
