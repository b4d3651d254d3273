import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.cnclip.evaluation.comparison import compare
from scripts.shared.errors import JobError
from tests.unit.cnclip.evaluation.test_evaluate import golden_features, run


def measured(folder: Path, name: str, *, dataset: str = "mini", noise: float = 0.0, collapsed: bool = False) -> Path:
    """Upstream's features, perhaps spoilt, measured under a name."""
    features = golden_features(folder / name / dataset / "features" / "valid")
    vectors = np.load(features / "text_features.npy")
    spoilt = vectors + noise * np.random.default_rng(0).standard_normal(vectors.shape)
    np.save(features / "text_features.npy", spoilt.astype(np.float32) * (not collapsed) + collapsed)
    (features / "timings.json").write_text('{"pictures": {"pictures": 10, "encoded_s": 0.5}}')
    run(features, folder / name / dataset, name=name, dataset=dataset)
    return folder / name / dataset / "metrics.json"


def labelled(folder: Path, name: str, correct: str) -> Path:
    share = 100 * correct.count("1") / len(correct)
    path = folder / f"{name}.json"
    said: dict[str, Any] = {"model": name, "dataset": "subjects", "n_pictures": len(correct), "n_classes": 3}
    said |= {"templates": "openai", "chance": 33.3, "refused": None, "failed": {}, "correct": correct}
    path.write_text(json.dumps(said | {"top1": share, "interval": [share - 5, share + 5]}))
    return path


def table(folder: Path, metrics: list[Path], zeroshot: list[Path] | None = None, **others: Any) -> dict[str, Any]:
    return compare(
        **{  # type: ignore[arg-type]
            "metrics": metrics,
            "zeroshot": zeroshot or [],
            "baseline": "plain",
            "trained_on": {"plain": ["mini"], "other": []},
            "seed": 1,
            "table": folder / "comparison.json",
            "csv_table": folder / "comparison.csv",
            **others,
        }
    )


def test_models_are_compared_with_the_baseline_query_by_query(tmp_path: Path) -> None:
    content = table(tmp_path, [measured(tmp_path, "plain"), measured(tmp_path, "other", noise=0.3)])
    plain, _, other, _ = content["retrieval"]
    assert (plain["direction"], other["direction"], other["model"]) == ("t2i", "t2i", "other")
    assert "r1_minus_baseline" not in plain
    assert other["r1_minus_baseline"] == pytest.approx(other["r1"] - plain["r1"])
    assert other["r1_minus_baseline_low"] < other["r1_minus_baseline"] < other["r1_minus_baseline_high"] < 0
    assert other["mean_recall_minus_baseline"] == pytest.approx(other["mean_recall"] - plain["mean_recall"])


def test_equal_models_differ_by_nothing(tmp_path: Path) -> None:
    content = table(tmp_path, [measured(tmp_path, "plain"), measured(tmp_path, "other")])
    other = content["retrieval"][2]
    assert [other[f"r1_minus_baseline{end}"] for end in ("", "_low", "_high")] == [0, 0, 0]


def test_every_cell_says_whether_the_model_was_trained_on_the_set(tmp_path: Path) -> None:
    rows = table(tmp_path, [measured(tmp_path, "plain"), measured(tmp_path, "other")])["retrieval"]
    assert [row["seen"] for row in rows] == ["trained on"] * 2 + ["zero-shot"] * 2
    assert {row["source"] for row in rows} == {"measured"}


def test_the_published_table_stands_beside_marked_as_published(tmp_path: Path) -> None:
    rows = table(tmp_path, [measured(tmp_path, "plain", dataset="Flickr30k-CN")])["retrieval"]
    published = [row for row in rows if row["source"] == "published"]
    assert len(published) == 20
    best = next(row for row in published if row["model"] == "ViT-H/14" and row["direction"] == "t2i")
    assert best["mean_recall"] == pytest.approx((71.2 + 91.4 + 95.5) / 3)
    assert "Results.md" in best["note"]
    assert not any("baseline" in row for row in published)


def test_a_refused_model_has_its_reason_and_no_number(tmp_path: Path) -> None:
    rows = table(tmp_path, [measured(tmp_path, "plain"), measured(tmp_path, "other", collapsed=True)])["retrieval"]
    assert rows[2]["model"] == "other"
    assert "collapsed" in rows[2]["refused"]
    assert not any(name in rows[2] for name in ("r1", "mean_recall"))


def test_sizes_and_times_are_in_the_table(tmp_path: Path) -> None:
    (row, _) = table(tmp_path, [measured(tmp_path, "plain")])["retrieval"]
    assert (row["parameters"], row["megabytes"], row["picture_ms"], row["text_ms"]) == (
        1,
        4e-6,
        pytest.approx(50),
        None,
    )


def test_the_csv_holds_the_same_rows(tmp_path: Path) -> None:
    content = table(tmp_path, [measured(tmp_path, "plain"), measured(tmp_path, "other", noise=0.3)])
    rows = list(csv.DictReader((tmp_path / "comparison.csv").open()))
    assert [row["r1"] for row in rows] == [f"{row['r1']:.2f}" for row in content["retrieval"]]
    assert rows[0]["baseline"] == ""
    assert rows[2]["baseline"] == "plain"
    assert json.loads((tmp_path / "comparison.json").read_text()) == content


def test_accuracy_is_compared_picture_by_picture(tmp_path: Path) -> None:
    content = table(tmp_path, [], [labelled(tmp_path, "plain", "1100" * 25), labelled(tmp_path, "other", "1110" * 25)])
    plain, other = content["zeroshot"]
    assert "top1_minus_baseline" not in plain
    assert other["top1_minus_baseline"] == pytest.approx(25)
    assert 10 < other["top1_minus_baseline_low"] < 25 < other["top1_minus_baseline_high"] < 40


def test_without_a_baseline_the_first_model_is_it(tmp_path: Path) -> None:
    content = table(tmp_path, [measured(tmp_path, "other"), measured(tmp_path, "plain")], baseline="")
    assert content["baseline"] == "other"
    assert content["retrieval"][2]["baseline"] == "other"


def test_measurements_without_their_hits_are_refused(tmp_path: Path) -> None:
    path = measured(tmp_path, "plain")
    path.with_name("hits.npz").unlink()
    with pytest.raises(JobError, match=r"hits.npz beside it cannot be read"):
        table(tmp_path, [path])


def test_measurements_that_are_damaged_are_refused(tmp_path: Path) -> None:
    path = measured(tmp_path, "plain")
    hits = path.with_name("hits.npz")
    hits.write_bytes(hits.read_bytes()[:-30])
    with pytest.raises(JobError, match=r"hits.npz beside it cannot be read"):
        table(tmp_path, [path])
    one = labelled(tmp_path, "plain", "11")
    one.write_text(one.read_text()[:-5])
    with pytest.raises(JobError, match=r"plain.json: cannot be read .* remove it and run again"):
        table(tmp_path, [], [one])


def test_two_models_that_were_asked_otherwise_are_not_subtracted(tmp_path: Path) -> None:
    one, other = measured(tmp_path, "plain"), measured(tmp_path, "other")
    with np.load(other.with_name("hits.npz")) as arrays:
        kept = dict(arrays)
    kept["t2i_ids"] = kept["t2i_ids"][::-1]
    np.savez(other.with_name("hits.npz"), **kept)
    rows = table(tmp_path, [one, other])["retrieval"]
    assert "baseline" not in rows[2]
    assert rows[3]["baseline"] == "plain"
