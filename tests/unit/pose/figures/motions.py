"""Real poses, and made ones."""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scripts.pose.skeleton import SKELETONS

T2M, KIT = SKELETONS["t2m"], SKELETONS["kit"]
_CLIPS = Path(__file__).parents[3] / "data" / "demo" / "pose" / "real_motion.npz"


@cache
def clips() -> dict[str, NDArray[np.float32]]:
    """(T, 22, 3) joints by name of the clip."""
    with np.load(_CLIPS) as stored:
        return {name.removesuffix("_joints"): stored[name] for name in stored.files if name.endswith("_joints")}


def standing() -> NDArray[np.float32]:
    """A pose (22, 3) that faces +Z, its arms and legs apart."""
    return clips()["dance_b"][11]


def kit_pose() -> NDArray[np.float32]:
    """A pose (21, 3) of KIT's skeleton, in millimetres: the chains of a standing pose put on its own."""
    joints = np.zeros((KIT.n_joints, 3), np.float32)
    for kit_chain, chain in zip(KIT.chains, T2M.chains, strict=True):
        places = np.linspace(0, len(chain) - 1, len(kit_chain)).round().astype(int)
        joints[list(kit_chain)] = 1000 * standing()[[chain[place] for place in places]]
    return joints
