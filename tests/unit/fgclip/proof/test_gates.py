"""The gates of the proof."""

from typing import Any

from scripts.fgclip.proof.gates import check


def metrics(auc: float | None, *, dense: float | None = 0.6, pointing: float | None = 0.5) -> dict[str, Any]:
    return {"scores": {"global": {"auc": auc}, "dense": {"auc": dense}}, "pointing": {"accuracy": pointing}}


def test_a_run_that_learned_and_a_control_that_did_not_pass() -> None:
    assert check(metrics(0.90, pointing=0.40), metrics(0.70, dense=0.70)) == []
    assert check(metrics(0.99)) == []


def test_each_gate_is_named_that_does_not_hold() -> None:
    failed = check(metrics(0.89, pointing=0.39), metrics(0.71, dense=0.72))
    assert [line.split(",")[0] for line in failed] == [
        "AUC 0.890",
        "pointing accuracy 0.390",
        "control on shuffled captions: AUC (global) 0.710",
        "control on shuffled captions: AUC (dense) 0.720",
    ]


def test_a_value_that_could_not_be_told_holds_no_gate() -> None:
    assert len(check(metrics(None, pointing=None), metrics(None, dense=None))) == 4
