"""The benches of the anomaly detector on the CPU count what they say they count."""

from typing import Any

import pytest

from scripts.fgclip.runs import run_options
from scripts.shared.config import load_config
from tests.bench.fgclip import bench_fgclip_cpu as cpu
from tests.bench.fgclip import bench_fgclip_proof as proof


def metrics(auc: float, dense: float, pointing: float | None) -> dict[str, Any]:
    return {
        "scores": {"global": {"auc": auc}, "dense": {"auc": dense}},
        "pointing": {"accuracy": pointing, "chance": 0.1},
    }


def test_the_ways_of_a_proof_differ_in_nothing_but_what_they_are_named_after() -> None:
    runs = {way: {"preset": "tiny", "dataset": "proof", **own} for way, own in proof.WAYS.items()}
    data = {"train": "train.json", "test": "annotation.txt", "videos": "videos"}
    config = load_config({"fgclip": {"datasets": {"proof": data}, "runs": runs}}, lambda _: "bench")
    options = {way: run_options(config, way) for way in runs}
    long = options[proof.LONG]
    for way, differ in ((proof.SHORT, {"max_steps"}), (proof.CONTROL, {"shuffle_captions"})):
        assert {key for key, value in options[way].items() if value != long[key]} == differ


@pytest.mark.parametrize(("control", "told"), [(0.55, "all hold"), (0.72, "2 do not")])
def test_the_notes_of_a_proof_name_the_gates_that_do_not_hold(control: float, told: str) -> None:
    before, after = metrics(0.6, 0.6, 0.1), metrics(0.95, 0.9, 0.5)
    found = {
        (42, proof.LONG): proof.Outcome(before, after, 30.0),
        (42, proof.CONTROL): proof.Outcome(before, metrics(control, control, None), 30.0),
    }
    table = proof.table(found)
    assert told in table.notes[0]
    assert {len(row) for row in table.rows} == {len(table.columns)}
    assert table.rows[0] == ["seed 42, 160 steps", 0.6, 0.95, 0.6, 0.9, 0.1, 0.5, 0.1, 30.0]


def test_a_ratio_is_that_of_the_whole_baseline_to_the_whole_of_ours() -> None:
    step = {"guide, decoding": 4.0, "guide, arithmetic": 20.0, "ours, decoding": 2.0, "ours, arithmetic": 10.0}
    memory = {"memory:4": {"step": 500.0}, "memory:32": {"step": 1060.0}}
    scoring = {"whole": 12.0, "decoding": 2.0}
    table = cpu.table({"step": step | {"ours in one chunk, arithmetic": 8.0}, "scoring": scoring} | memory, 0.5)
    assert [row[-2] for row in table.rows] == [1.0, 2.0, 2.4, None]
    assert table.rows[-1][-1] == 5.0
    assert "20 MiB a frame" in table.notes[0]
    assert "20 GiB of activations" in table.notes[1]
