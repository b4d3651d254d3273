"""Models of full size with random weights: MARDM in the official files and converted to ours, CLIP's text tower.

python -m tests.bench.pose.full_size convert FOLDER      the model that the checkpoints in FOLDER hold, in FOLDER
"""

import sys
from pathlib import Path

import torch

from scripts.pose.model_files.conversion import convert
from scripts.pose.model_files.official import AE_FILES, MARDM_FOLDERS, ModelFiles, find_model
from tests.pose_models import random_state, save_ae, save_array, save_mardm, small_mean_std

MODEL = "model.safetensors"


def write_checkpoints(folder: Path) -> Path:
    """Write `checkpoints`, 4.9 GB, and beside it mean and standard deviation, as MARDM's repository has them.

    The state of the optimizer and the weights that are not averaged are in them too, as in what its authors publish.
    """
    generator = torch.Generator().manual_seed(3407)
    place = folder / "checkpoints" / "t2m"
    save_ae(place / "AE" / "model" / AE_FILES["t2m"], random_state("ae_t2m", generator))
    save_mardm(place / MARDM_FOLDERS["sit"] / "model" / "latest.tar", random_state("mardm_sit_xl", generator))
    for name, values in zip(("Mean", "Std"), small_mean_std("t2m"), strict=True):
        save_array(folder / "datasets" / "HumanML3D" / f"{name}.npy", values)
    return folder / "checkpoints"


def write_clip(folder: Path) -> Path:
    """Write a text tower as large as that of CLIP ViT-B/32, as Hugging Face lays it out."""
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    torch.manual_seed(3407)
    CLIPTextModelWithProjection(CLIPTextConfig()).save_pretrained(folder)
    return folder


def find(folder: Path) -> ModelFiles:
    """What `write_checkpoints` wrote."""
    return find_model(folder / "checkpoints", "sit", "t2m", None, None, needs_lengths=False)


if __name__ == "__main__":
    _, folder = sys.argv[1:]
    convert(find(Path(folder)), Path(folder, MODEL))
