"""The benches of Chinese CLIP on the CPU count what they say they count."""

from pathlib import Path

import numpy as np
import pytest

from scripts.cnclip.runs import run_options
from scripts.shared.config import load_config
from tests.bench.cnclip import bench_cnclip_cpu, cpu_work
from tests.bench.cnclip import bench_cnclip_proof as proof


def made(at_1: dict[str, tuple[float, float, float]]) -> dict[str, proof.Outcome]:
    """Outcomes by run: recall at 1 of each way by seed, everything else alike."""
    found = {
        f"{way}_{seed}": proof.Outcome((each[seed - 1], 50.0, 60.0, 10.0, 40.0, 50.0), 5.0)
        for way, each in at_1.items()
        for seed in proof.SEEDS
    }
    return {proof.TEACHER: proof.Outcome((70.0,) * 6, 0.0), **found}


def test_a_proof_trains_each_way_with_each_seed_and_differs_in_nothing_else() -> None:
    config = load_config(proof.config(), lambda _: "bench")
    options = {name: run_options(config, name) for name in config["cnclip"]["runs"]}
    assert len(options) == 1 + len(proof.SEEDS) * len(proof.WAYS)
    for way, own in proof.WAYS.items():
        one, plain = options[f"{way}_2"], options["plain_2"]
        assert {key for key in one if one[key] != plain[key]} == set(own)
        assert (one["seed"], one["max_steps"], one["keep"]) == (2, proof.STUDENT_STEPS, "last")


def test_the_notes_of_a_proof_count_pairs_of_one_seed_however_they_come_out() -> None:
    plain, control = (20.0, 10.0, 30.0), (1.0, 2.1, 0.0)
    said = proof.notes(
        made({"plain": plain, "kl": (25.0, 9.0, 30.0), "cos_interp": (5.0, 11.0, 1.0), "shuffled": control})
    )
    assert "`kl` above in 1 of 3 pairs (+5.0, -1.0, +0.0 points)" in said[0]
    assert "`cos_interp` below in 2 of 3 (-15.0, +1.0, -29.0)" in said[0]
    assert "2.1 %" in said[1]


def test_a_model_that_is_refused_has_no_figures_in_the_table_of_a_proof() -> None:
    outcomes = made(dict.fromkeys(proof.WAYS, (1.0, 2.0, 3.0)))
    outcomes["shuffled_1"] = proof.Outcome((), 9.0)
    table = proof.table(outcomes)
    rows = {row[0]: row[1:] for row in table.rows}
    assert {len(row) for row in table.rows} == {len(table.columns)}
    assert rows["shuffled, seed 1"] == ["refused"] * 6 + ["9.0"]
    assert rows["shuffled, mean of 3"][0] == "2.5"


def test_the_divergence_from_oneself_is_none() -> None:
    logits = np.random.default_rng(0).normal(size=(6, 6)) * 10
    assert proof.divergence(logits, logits) == pytest.approx(0, abs=1e-9)
    assert proof.divergence(logits, logits.T) > 1


@pytest.mark.parametrize("work", ["check", "store", "rank"])
def test_a_work_of_the_cpu_and_its_baseline_both_run(
    work: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, small in {"ROUNDS": 1, "N_CHECKED": 2, "N_STORED": 3, "N_GALLERY": 200, "N_QUERIES": 2}.items():
        monkeypatch.setattr(cpu_work, name, small)
    found = cpu_work.WORKS[work](tmp_path)
    assert list(found) == ["plain", "ours"]
    assert min(found.values()) > 0
    assert len(bench_cnclip_cpu.rows_of(work, found)) == 1


def test_a_ratio_is_that_of_the_baseline_to_ours() -> None:
    rows = bench_cnclip_cpu.rows_of("encode", {"torch": 0.04, "ONNX fp32": 0.02, "ONNX int8": 0.01})
    assert [(row[1], row[3], row[4], row[5]) for row in rows] == [(20.0, 40.0, 2.0, 50), (10.0, 40.0, 4.0, 100)]
