from pathlib import Path

import numpy as np
import pytest

from scripts.shared.errors import ConfigError, JobError
from scripts.speaker.encoders.choice import load_encoder
from scripts.speaker.encoders.encoder import Encoder
from scripts.speaker.encoders.model_folder import inspect_model
from scripts.speaker.export import cosine_distance
from tests.unit.speaker.encoders.conftest import GOLDEN, noise, settings_of

STAND_INS = Path("tests/stand_ins").absolute()


def load(runtime: str, onnx_model: Path) -> Encoder:
    place = {"onnx": onnx_model, "native": GOLDEN / "ecapa_tdnn", "wespeaker": GOLDEN / "ecapa_tdnn"}.get(runtime, "")
    return load_encoder(settings_of(place, runtime), inspect_model(str(place), runtime).path)


@pytest.mark.parametrize("runtime", ["onnx", "native", "wespeaker", "resemblyzer", "dvector"])
def test_an_utterance_is_embedded_in_a_group_as_it_is_alone(
    runtime: str, onnx_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(STAND_INS)
    encoder = load(runtime, onnx_model)
    batch = np.abs(noise(4, 120, 40 if runtime in ("resemblyzer", "dvector") else 80)) / 10
    batch.setflags(write=False)  # as from shared memory
    together = encoder.embed(batch)
    assert (together.shape, together.dtype, encoder.device) == ((4, encoder.dim), np.float32, "cpu")
    alone = np.concatenate([encoder.embed(row[None]) for row in batch])
    assert cosine_distance(together, alone).max() <= 2e-7
    assert cosine_distance(together, np.roll(together, 1, axis=0)).min() > 1e-5
    assert np.array_equal(encoder.embed(batch), together)


def test_the_plans_name_is_the_encoders_name(onnx_model: Path) -> None:
    assert load_encoder(settings_of(onnx_model, "onnx") | {"model": "mine"}, str(onnx_model)).name == "mine"


def test_a_model_that_changed_after_planning_is_refused(model: Path) -> None:
    settings = settings_of(model, "native")
    with (model / "config.yaml").open("a") as config:
        config.write("# a word\n")
    with pytest.raises(JobError, match=r"tiny: the model changed after this plan was written .*run again"):
        load_encoder(settings, str(model))


def test_a_model_that_vanished_after_planning_is_told(model: Path) -> None:
    settings = settings_of(model, "native")
    (model / "avg_model.pt").unlink()
    with pytest.raises(ConfigError, match=r"missing: avg_model\.pt"):
        load_encoder(settings, str(model))


@pytest.mark.parametrize("runtime", ["onnx", "native", "resemblyzer", "dvector"])
def test_without_a_gpu_the_cpu_is_taken_and_a_line_says_so(
    runtime: str, onnx_model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    place = {"onnx": onnx_model, "native": GOLDEN / "ecapa_tdnn"}.get(runtime, "")
    settings = settings_of(place, runtime) | {"precision": "float16"}
    encoder = load_encoder(settings, str(place), device="cuda")
    assert encoder.device == "cpu"
    assert sum("on the CPU" in record.message for record in caplog.records) == 1
    bands = 40 if runtime in ("resemblyzer", "dvector") else 80
    assert encoder.embed(np.abs(noise(1, 100, bands))).shape == (1, encoder.dim)
