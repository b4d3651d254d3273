import json
from pathlib import Path

import numpy as np
import pytest

from scripts.cnclip.evaluation import evaluate as module
from scripts.cnclip.evaluation.evaluate import encoding_time, evaluate
from scripts.cnclip.evaluation.feature_files import IMAGES, TEXTS, read_official
from scripts.shared.errors import JobError
from scripts.shared.fingerprints import digest_file
from tests.unit.cnclip.evaluation.golden import EVAL, ColourEncoder, as_json
from tests.unit.cnclip.evaluation.made import colours, make_features, write_dataset, write_texts


def golden_features(folder: Path, texts: Path = EVAL / "valid_texts.jsonl") -> Path:
    """Upstream's features as `join_features` leaves them."""
    folder.mkdir(parents=True, exist_ok=True)
    image_ids, images = read_official(EVAL / "valid_imgs.img_feat.jsonl", IMAGES)
    text_ids, vectors = read_official(EVAL / "valid_texts.txt_feat.jsonl", TEXTS)
    np.save(folder / "image_ids.npy", image_ids)
    np.save(folder / "image_features.npy", images)
    np.save(folder / "text_ids.npy", text_ids)
    np.save(folder / "text_features.npy", vectors)
    facts = {
        "form": "torch",
        "identity": "golden",
        "tokenizer_identity": "t",
        "dim": 16,
        "logit_scale": 14.3,
        "size": {"parameters": 1, "visual_parameters": 1, "bytes": 4},
        "n_images": 40,
        "n_texts": 60,
        "failed": {},
        "pictures_digest": "p",
        "texts_digest": digest_file(texts),
    }
    (folder / "facts.json").write_text(json.dumps(facts))
    return folder


def run(features: Path, output: Path, texts: Path = EVAL / "valid_texts.jsonl", **others: object) -> dict:
    evaluate(
        **{  # type: ignore[arg-type]
            "features": features,
            "texts": texts,
            "output": output,
            "name": "golden",
            "dataset": "mini",
            "split": "valid",
            "seed": 1,
            **others,
        }
    )
    return as_json(output / "metrics.json")


def test_everything_is_that_of_upstream(tmp_path: Path) -> None:
    said = run(golden_features(tmp_path / "f"), tmp_path)
    for name, file in (("score.json", "valid_score.json"), ("score_tr.json", "valid_score_tr.json")):
        wanted, found = as_json(EVAL / name)["scoreJson"], as_json(tmp_path / file)["scoreJson"]
        assert found == pytest.approx(wanted, abs=1e-13)
    for direction, name in (("t2i", "score.json"), ("i2t", "score_tr.json")):
        recall = as_json(EVAL / name)["scoreJson"]
        assert said["directions"][direction]["recall"] == pytest.approx(
            {key: recall[key] for key in ("r1", "r5", "r10", "mean_recall")}, abs=1e-13
        )
    assert (tmp_path / "valid_texts.tr.jsonl").read_bytes() == (EVAL / "valid_texts.tr.jsonl").read_bytes()
    for name in ("valid_predictions.jsonl", "valid_tr_predictions.jsonl"):
        assert (tmp_path / name).read_bytes() == (EVAL / name).read_bytes()
    assert said["directions"]["i2t"]["n_queries"] == 35
    assert said["directions"]["t2i"]["chance"]["r1"] == pytest.approx(3.79, abs=0.01)


def test_intervals_hold_the_measured_value_and_the_hits_give_it(tmp_path: Path) -> None:
    said = run(golden_features(tmp_path / "f"), tmp_path)
    with np.load(tmp_path / "hits.npz") as hits:
        for direction in ("t2i", "i2t"):
            one = said["directions"][direction]
            low, high = one["interval"]["r1"]
            assert low < one["recall"]["r1"] < high
            assert 100 * hits[f"{direction}_hits"][:, 0].mean() == pytest.approx(one["recall"]["r1"])


def test_a_second_run_gives_the_same_bytes(tmp_path: Path) -> None:
    features = golden_features(tmp_path / "f")
    run(features, tmp_path / "a")
    run(features, tmp_path / "b")
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(files) == 7
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)


def test_a_collapsed_model_is_refused_and_never_scored(tmp_path: Path) -> None:
    features = golden_features(tmp_path / "f")
    run(features, tmp_path)
    vectors = np.load(features / "text_features.npy")
    vectors[:40] = vectors[0]
    np.save(features / "text_features.npy", vectors)
    said = run(features, tmp_path)
    assert "texts get the same list of answers: the model has collapsed" in said["refused"]
    assert (said["directions"], said["languages"], said["examples"]) == ({}, {}, [])
    assert as_json(tmp_path / "valid_score.json")["success"] is False
    assert not (tmp_path / "valid_predictions.jsonl").exists()  # nor one of an earlier run


def test_a_model_with_nan_is_refused(tmp_path: Path) -> None:
    features = golden_features(tmp_path / "f")
    vectors = np.load(features / "image_features.npy")
    vectors[7, 3] = np.nan
    np.save(features / "image_features.npy", vectors)
    assert "1 of 40 picture vectors hold NaN" in run(features, tmp_path)["refused"]


def test_text_to_image_alone_writes_nothing_of_the_other_way(tmp_path: Path) -> None:
    said = run(golden_features(tmp_path / "f"), tmp_path, directions=["t2i"])
    assert list(said["directions"]) == ["t2i"]
    assert not (tmp_path / "valid_tr_predictions.jsonl").exists()
    assert {one["direction"] for one in said["examples"]} == {"t2i"}


def test_features_of_another_data_set_are_refused(tmp_path: Path) -> None:
    features = golden_features(tmp_path / "f")
    other = tmp_path / "other.jsonl"
    other.write_text((EVAL / "valid_texts.jsonl").read_text().replace("127", "128", 1))
    with pytest.raises(JobError, match=r"its features are not of .*other.jsonl, but of another data set"):
        run(features, tmp_path, other)


def test_a_hidden_test_split_gets_answers_and_no_score(tmp_path: Path) -> None:
    texts = tmp_path / "hidden.jsonl"
    rows = [json.loads(line) | {"image_ids": []} for line in (EVAL / "valid_texts.jsonl").read_text().splitlines()]
    texts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = run(golden_features(tmp_path / "f", texts), tmp_path / "out", texts)
    assert said["directions"] == {}
    assert "hidden" in said["notes"][0]
    assert len((tmp_path / "out" / "valid_predictions.jsonl").read_text().splitlines()) == 60
    assert not (tmp_path / "out" / "valid_score.json").exists()


def test_a_gallery_of_fewer_than_ten_is_measured_but_not_handed_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [(1, "红", [1]), (2, "绿", [2]), (3, "蓝", [3])]
    write_dataset(tmp_path, colours(4), texts)
    said = run(make_features(monkeypatch, tmp_path), tmp_path / "out", tmp_path / "x_texts.jsonl")
    assert (said["directions"]["t2i"]["k"], said["directions"]["t2i"]["recall"]["r10"]) == (4, 100.0)
    assert said["directions"]["t2i"]["chance"]["r5"] == 100.0
    assert "no file of answers to be handed in" in said["notes"][0]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "hits.npz",
        "metrics.json",
        "valid_texts.tr.jsonl",
    ]


def test_a_picture_that_failed_is_a_miss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [(1, "红", [1]), (2, "绿", [2])]
    write_dataset(tmp_path, colours(12) | {1: b"?"}, texts)
    said = run(make_features(monkeypatch, tmp_path), tmp_path / "out", tmp_path / "x_texts.jsonl")
    assert said["n_failed_images"] == 1
    assert said["directions"]["i2t"]["n_queries"] == 2
    assert said["directions"]["i2t"]["recall"]["r10"] == 50.0


def test_other_languages_are_asked_of_the_same_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dataset(tmp_path, colours(12), [(1, "红", [1]), (2, "绿", [2])])
    english = tmp_path / "x_texts.en.jsonl"
    write_texts(english, [(1, "red", [1]), (2, "green", [2])])

    class Bilingual(ColourEncoder):
        names = ("red", "green", "blue")

    features = make_features(monkeypatch, tmp_path)
    monkeypatch.setattr(module, "open_model", lambda *_, **__: Bilingual())
    said = run(features, tmp_path / "out", tmp_path / "x_texts.jsonl", languages={"en": english}, model=tmp_path)
    assert said["languages"]["en"]["t2i"]["recall"] == said["directions"]["t2i"]["recall"]

    Bilingual.identity = "another"
    with pytest.raises(JobError, match="is not the model that the picture features are of"):
        run(features, tmp_path / "out", tmp_path / "x_texts.jsonl", languages={"en": english}, model=tmp_path)


def test_examples_show_which_answers_are_right(tmp_path: Path) -> None:
    said = run(golden_features(tmp_path / "f"), tmp_path)
    right = {json.loads(line)["text_id"]: json.loads(line)["image_ids"] for line in (EVAL / "valid_texts.jsonl").open()}
    asked = [one for one in said["examples"] if one["direction"] == "t2i"]
    assert len(asked) == 6
    assert all(one["right"] == [found in right[one["query"]] for found in one["found"]] for one in asked)


def test_encoding_times_are_those_of_the_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features = make_features(monkeypatch, write_dataset(tmp_path, colours(4), [(1, "红", [1])]))
    (features / "timings.json").write_text('{"pictures": {"pictures": 4, "encoded_s": 0.2}}')
    assert encoding_time(features) == {"picture_ms": pytest.approx(50.0), "text_ms": None}
    assert encoding_time(tmp_path / "nowhere") == {"picture_ms": None, "text_ms": None}
