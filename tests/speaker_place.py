"""A folder in which a user runs the speaker system, on short made recordings and a small model of random weights."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import yaml

from scripts.speaker.export import export_onnx
from tests.snakemake_run import ROOT, Place

MODEL = ROOT / "tests/data/golden/wespeaker/resnet34"
_RATE = 16000


def make_recording(path: Path, voice: int, seed: int, seconds: float = 0.5) -> None:
    """Write a recording whose colour tells the voice: noise through a resonance of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).normal(size=round(seconds * _RATE))
    pitch = 2 * np.pi * (300 + 900 * voice) / _RATE
    spectrum = np.fft.rfft(noise)
    angle = np.linspace(0, np.pi, len(spectrum))
    coloured = np.fft.irfft(spectrum / (0.02 + np.abs(angle - pitch)), len(noise))
    soundfile.write(path, (0.3 * coloured / np.abs(coloured).max()).astype(np.float32), _RATE, subtype="PCM_16")


@dataclass
class SpeakerPlace(Place):
    """One with recordings in `audio/` and a model in `model/`."""

    system = "speaker"
    name = "studio"

    @classmethod
    def create(cls, folder: Path, voices: tuple[int, ...], **options: Any) -> "SpeakerPlace":
        """A workplace with so many recordings of each voice, `<voice>/<number>.wav`, and nothing made."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "profiles").symlink_to(ROOT / "profiles")
        (folder / "model").mkdir()
        export_onnx(MODEL, folder / "model" / "model.onnx")
        here = cls(folder, {"input_dir": "audio", "shard_size": 8, "workers": 1, **options})
        for voice, count in enumerate(voices):
            for number in range(count):
                make_recording(here.recording(voice, number), voice, seed=100 * voice + number)
        here.save()
        return here

    def copy(self, folder: Path) -> "SpeakerPlace":
        """The same in another folder, times of change included."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return SpeakerPlace(folder, dict(self.options), dict(self.top))

    def save(self, **other_datasets: Any) -> None:
        """Write the configuration."""
        speaker = {"model_dir": "model", "audio_paths": "relative", "figures": False}
        datasets = {self.name: self.options, **other_datasets}
        config = {**self.top, "speaker": {**speaker, "datasets": datasets}}
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")

    def recording(self, voice: int, number: int) -> Path:
        return self.folder / "audio" / f"{voice}" / f"{number:02d}.wav"

    def embedding(self, voice: int, number: int) -> Path:
        return self.dataset / "embeddings" / f"{voice}" / f"{number:02d}.pkl"

    def found(self) -> dict[str, Any]:
        path = self.dataset / "boundaries" / "speaker_boundary_detection_result.json"
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return result
