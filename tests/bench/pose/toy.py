"""The toy model, trained once and kept in work/bench/pose."""

from pathlib import Path

from scripts.pose.model_choice import TINY_SEED
from scripts.pose.model_files.model_file import PoseModel, load_model
from scripts.pose.toy.motions import Clip, read_clips
from scripts.pose.toy.recipe import recipe_identity
from scripts.pose.toy.training import train_tiny

ROOT = Path(__file__).resolve().parents[3]
MOTIONS = ROOT / "tests" / "data" / "demo" / "pose" / "real_motion.npz"
CAPTIONS = MOTIONS.with_name("motions.csv")


def toy_file() -> Path:
    """The file of the model that the demo trains; trained first where it is not there."""
    identity = recipe_identity(MOTIONS, CAPTIONS, TINY_SEED)
    path = ROOT / "work" / "bench" / "pose" / f"tiny-{identity[:16]}.safetensors"
    if not path.exists():
        train_tiny(MOTIONS, CAPTIONS, path, seed=TINY_SEED)
    return path


def load_toy() -> PoseModel:
    """That model, for the CPU."""
    identity = recipe_identity(MOTIONS, CAPTIONS, TINY_SEED)
    return load_model(toy_file(), kind="sit", skeleton="t2m", identity=identity, device="cpu")


def toy_clips() -> list[Clip]:
    """The motions that it learned."""
    return read_clips(MOTIONS, CAPTIONS)
