"""A folder in which a user runs the anomaly detector, on made clips and with trainings of a few steps."""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from scripts.fgclip.proof.dataset import make_dataset
from tests.snakemake_run import ROOT, Place


@dataclass
class FgclipPlace(Place):
    """One with the clips of the proof, or fewer of them, in `clips/`.

    Attributes:
        options: of the dataset.
        runs: the trainings, by name.
        fgclip: more options of the system.
    """

    system = "fgclip"
    name = "proof"

    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    fgclip: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def create(cls, folder: Path, *, n_train: int, n_test: int, **runs: dict[str, Any]) -> "FgclipPlace":
        """A workplace with clips, and nothing made.

        Args:
            folder: to make.
            n_train: clips to train on.
            n_test: clips to be tested on.
            **runs: what each run says beside the preset `tiny`.
        """
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "profiles").symlink_to(ROOT / "profiles")
        make_dataset(folder / "clips", n_train=n_train, n_test=n_test)
        made = yaml.safe_load((folder / "clips" / "config.yaml").read_text(encoding="utf-8"))["fgclip"]
        # By paths that a copy of the folder has too.
        options = {
            key: value.replace(f"{folder.resolve()}/", "") if isinstance(value, str) else value
            for key, value in made["datasets"]["proof"].items()
        }
        options |= {"workers": 1, "overlays": False}
        here = cls(
            folder, options, runs={name: {"preset": "tiny", "dataset": cls.name} | said for name, said in runs.items()}
        )
        here.save()
        return here

    def copy(self, folder: Path) -> "FgclipPlace":
        """The same in another folder, times of change included."""
        shutil.copytree(self.folder, folder, symlinks=True)
        runs = {name: dict(run) for name, run in self.runs.items()}
        return FgclipPlace(folder, dict(self.options), dict(self.top), runs, dict(self.fgclip))

    def save(self) -> None:
        """Write the configuration."""
        system = {**self.fgclip, "datasets": {self.name: self.options}, "runs": self.runs}
        (self.folder / "config.yaml").write_text(yaml.safe_dump({**self.top, "fgclip": system}), encoding="utf-8")

    @property
    def results(self) -> Path:
        return self.folder / "results" / "fgclip"

    @property
    def dataset(self) -> Path:
        return self.folder / self.options.get("output_dir", f"results/fgclip/{self.name}")

    def run_folder(self, run: str) -> Path:
        return self.results / "runs" / run

    def metrics(self, form: str) -> dict[str, Any]:
        """What is measured of a model."""
        said: dict[str, Any] = json.loads((self.dataset / "eval" / form / "metrics.json").read_bytes())
        return said
