"""A folder in which a user runs the pose system, with the golden small MARDM and a small CLIP of random weights."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

from tests.pose_models import SMALL_TEXT, write_checkpoints
from tests.snakemake_run import ROOT, Place


def write_clip(folder: Path) -> Path:
    """Write a text tower of random weights, small but for its vocabulary, as Hugging Face lays it out."""
    torch.manual_seed(3407)
    config = CLIPTextConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, projection_dim=SMALL_TEXT
    )
    CLIPTextModelWithProjection(config).save_pretrained(folder)
    return folder


@dataclass
class PosePlace(Place):
    """One with a list of captions in `captions.txt`, checkpoints and a text tower."""

    system = "pose"
    name = "tenk"

    @classmethod
    def create(cls, folder: Path, captions: Iterable[str], **options: Any) -> "PosePlace":
        """A workplace with these captions, and nothing made."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "profiles").symlink_to(ROOT / "profiles")
        write_checkpoints(folder)
        write_clip(folder / "clip")
        defaults = {"captions": "captions.txt", "shard_size": 10, "workers": 1, "solver_steps": 4}
        here = cls(folder, {**defaults, **options})
        here.write(captions)
        here.save()
        return here

    def copy(self, folder: Path) -> "PosePlace":
        """The same in another folder, times of change included."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return PosePlace(folder, dict(self.options), dict(self.top))

    def write(self, captions: Iterable[str]) -> None:
        """Write the list of captions."""
        (self.folder / "captions.txt").write_text("".join(f"{caption}\n" for caption in captions), encoding="utf-8")

    def save(self, **other_datasets: Any) -> None:
        """Write the configuration."""
        pose = {"model": "sit", "checkpoints": "checkpoints", "clip": "clip", "figures": False}
        config = {**self.top, "pose": {**pose, "datasets": {self.name: self.options, **other_datasets}}}
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")

    def pose(self, name: str, suffix: str) -> Path:
        return self.dataset / "poses" / f"{name}.{suffix}"
