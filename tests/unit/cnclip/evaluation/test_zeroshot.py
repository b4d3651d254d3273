from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.cnclip.evaluation import zeroshot as module
from scripts.cnclip.evaluation.model_size import ModelSize
from scripts.cnclip.evaluation.zeroshot import classifier, prediction_file, probabilities, zeroshot
from scripts.shared.errors import JobError
from tests.unit.cnclip.evaluation.golden import GOLDEN, ColourEncoder, as_json
from tests.unit.cnclip.evaluation.made import png


@pytest.fixture(scope="module")
def golden() -> dict:
    return as_json(GOLDEN / "zeroshot_golden.json")


def test_predictions_are_those_of_upstream(golden: dict) -> None:
    for names, key in (("weights", "top1"), ("weights_first_template_only", "top1_first_template_only")):
        predicted = probabilities(np.array(golden["features"], np.float32), np.array(golden[names], np.float32))
        assert (predicted.argmax(axis=1) == golden["targets"]).mean() == pytest.approx(golden[key])
    predicted = probabilities(np.array(golden["features"], np.float32), np.array(golden["weights"], np.float32))
    said = prediction_file(predicted, model="m", dataset="d", size=ModelSize(371721, 27288, 0))
    assert np.abs(np.array(said["predictions"][0]) - golden["predictions"]).max() < 1e-5
    assert {key: said[key] for key in golden["file"]} == golden["file"]
    assert list(said) == [
        *("model_name", "dataset_name", "num_trainable_params", "num_params", "num_visual_params"),
        *("num_backbone_params", "n_shot", "rnd_seeds", "predictions"),
    ]


def test_weights_are_those_of_upstream(golden: dict) -> None:
    from scripts.cnclip.tokens import Tokenizer
    from scripts.cnclip.torch_encoder import TorchEncoder
    from tests.cnclip_models import golden_model

    encoder = TorchEncoder(golden_model(), Tokenizer(), identity="golden", device="cpu")
    for names, key in (
        (golden["templates"], "weights"),
        (golden["templates"][:1], "weights_first_template_only"),
    ):
        assert np.abs(classifier(encoder, golden["labels"], names) - golden[key]).max() < 1e-5


def test_sentences_count_alike_whatever_the_length_of_their_vectors() -> None:
    class Loud(ColourEncoder):
        def encode_text(self, texts: Sequence[str]) -> np.ndarray:
            loud = np.array([[100.0 if "很" in text else 1.0] for text in texts], np.float32)
            return super().encode_text(texts) * loud

    names = ["红的{}", "很绿的{}"]
    assert classifier(Loud(), ["花"], names) == pytest.approx(classifier(ColourEncoder(), ["花"], names), abs=1e-6)


COLOURS = {"红": (200, 20, 20), "绿": (20, 200, 20), "蓝": (20, 20, 200)}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "open_model", lambda *_, **__: ColourEncoder())
    root = tmp_path / "set"
    for number, colour in enumerate(COLOURS.values()):
        folder = root / "test" / str(number)
        folder.mkdir(parents=True)
        for picture in range(4):
            (folder / f"{picture}.png").write_bytes(png(tuple(max(0, one - 4 * picture) for one in colour)))
    (root / "label_cn.txt").write_text("\n".join(COLOURS) + "\n", encoding="utf-8")
    return root


def run(root: Path) -> tuple[dict, dict]:
    out = root.parent
    zeroshot(
        model=out,
        root=root,
        name="colours",
        dataset="set",
        predictions=out / "set.json",
        metrics=out / "set.metrics.json",
        seed=1,
    )
    return as_json(out / "set.json"), as_json(out / "set.metrics.json")


def test_pictures_are_classified_and_the_rest_is_told(root: Path) -> None:
    (root / "test" / "1" / "0.png").write_bytes(png((200, 20, 20)))  # red among the green
    predictions, metrics = run(root)
    assert metrics["top1"] == pytest.approx(100 * 11 / 12)
    assert metrics["correct"] == "1111" + "0111" + "1111"
    assert metrics["by_class"] == {"红": 100.0, "绿": 75.0, "蓝": 100.0}
    assert metrics["interval"][0] < metrics["top1"] <= metrics["interval"][1]
    assert (metrics["chance"], metrics["templates"]) == (pytest.approx(100 / 3), "openai")
    assert np.array(predictions["predictions"]).shape == (1, 12, 3)
    assert np.array(predictions["predictions"][0]).sum(axis=1) == pytest.approx(np.ones(12), abs=2e-6)


def test_a_picture_that_cannot_be_decoded_is_named_and_left_out(root: Path) -> None:
    (root / "test" / "2" / "3.png").write_bytes(b"?")
    predictions, metrics = run(root)
    assert metrics["failed"] == {"test/2/3.png": "no_picture"}
    assert (metrics["n_pictures"], len(predictions["predictions"][0])) == (11, 11)
    for path in root.glob("test/*/*.png"):
        path.write_bytes(b"?")
    with pytest.raises(JobError, match="none of its 12 pictures"):
        run(root)


def test_a_model_that_takes_all_pictures_for_one_is_refused(root: Path) -> None:
    for path in list(root.glob("test/*/*.png"))[:7]:
        Image.new("RGB", (5, 5)).save(path)
    predictions, metrics = run(root)
    assert "picture vectors are equal" in metrics["refused"]
    assert "top1" not in metrics
    assert "predictions" not in predictions


def test_the_official_file_has_six_decimals(root: Path) -> None:
    rows = run(root)[0]["predictions"][0]
    assert all(value == round(value, 6) for row in rows for value in row)
