"""A folder in which a user runs the Chinese CLIP system, on a few made pictures and trainings of a few steps."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import yaml
from transformers.models.bert.configuration_bert import BertConfig
from transformers.models.bert.modeling_bert import BertModel
from transformers.models.clip.configuration_clip import CLIPConfig
from transformers.models.clip.modeling_clip import CLIPModel

from scripts.cnclip.data.demo import make_demo
from scripts.cnclip.tokens import VOCABULARY_FILE
from tests.snakemake_run import ROOT, Place

STEPS = 6
# Of fresh weights and a few steps: what it learns is nothing, what it leaves behind is all there.
SMALL_RUN = {
    "preset": "tiny",
    "dataset": "shop",
    "batch_size": 8,
    "max_steps": STEPS,
    "warmup": 2,
    "save_step_interval": 2,
}


def write_clip(folder: Path) -> Path:
    """Write an OpenAI CLIP of random weights as Hugging Face lays it out: a vision tower for pictures of 32 pixels."""
    torch.manual_seed(3407)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision = {**sizes, "image_size": 32, "patch_size": 16}
    CLIPModel(
        CLIPConfig(vision_config=vision, text_config={**sizes, "vocab_size": 99}, projection_dim=16)
    ).save_pretrained(folder)
    return folder


def write_bert(folder: Path) -> Path:
    """Write a Chinese BERT of random weights with the vocabulary of Chinese-CLIP, as Hugging Face lays it out."""
    torch.manual_seed(3407)
    config = BertConfig(
        vocab_size=21_128, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=64,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    shutil.copyfile(VOCABULARY_FILE, folder / "vocab.txt")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}', encoding="utf-8")
    return folder


@dataclass
class CnclipPlace(Place):
    """One with a small set of product pictures in `shop/`.

    Attributes:
        options: of the dataset.
        runs: the trainings, by name.
        cnclip: more options of the system.
    """

    system = "cnclip"
    name = "shop"

    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    cnclip: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def create(cls, folder: Path, **runs: dict[str, Any]) -> "CnclipPlace":
        """A workplace with 112 pictures to train on and 12 each in `valid` and `test`, and nothing made.

        Args:
            folder: to make.
            **runs: what each run changes of `SMALL_RUN`.
        """
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "profiles").symlink_to(ROOT / "profiles")
        make_demo(folder / "shop", n=40)
        options = {"root": "shop", "workers": 1}
        here = cls(folder, options, runs={name: SMALL_RUN | changed for name, changed in runs.items()})
        here.save()
        return here

    @classmethod
    def found(cls, folder: Path) -> "CnclipPlace":
        """The workplace that is in a folder."""
        config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        cnclip = config.pop("cnclip")
        options, runs = cnclip.pop("datasets")[cls.name], cnclip.pop("runs")
        return cls(folder, options, config, runs, cnclip)

    def copy(self, folder: Path) -> "CnclipPlace":
        """The same in another folder, times of change included."""
        shutil.copytree(self.folder, folder, symlinks=True)
        runs = {name: dict(run) for name, run in self.runs.items()}
        return CnclipPlace(folder, dict(self.options), dict(self.top), runs, dict(self.cnclip))

    def save(self) -> None:
        """Write the configuration."""
        system = {**self.cnclip, "datasets": {self.name: self.options}, "runs": self.runs}
        (self.folder / "config.yaml").write_text(yaml.safe_dump({**self.top, "cnclip": system}), encoding="utf-8")

    @property
    def results(self) -> Path:
        return self.folder / "results" / "cnclip"

    @property
    def dataset(self) -> Path:
        return self.folder / self.options.get("output_dir", f"results/cnclip/data/{self.name}")

    def run_folder(self, run: str) -> Path:
        return self.results / "runs" / run

    def evaluation(self, form: str) -> Path:
        return self.results / "eval" / form / self.name
