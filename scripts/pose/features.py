"""Features of motion, which the nets see, to joints in space.

The features of a frame are [yaw half-rate, velocity x, velocity z, root height, positions of joints 1 to J - 1]. Rate
and velocity lead from this frame to the next; velocity and positions stand in axes that turn with the body, which faces
their +Z. They are the first 4 + 3 (J - 1) of HumanML3D's 263 features (Guo et al. 2022, CVPR), or of KIT-ML's 251.

The floor is the complex plane here, x + iz: to turn about the vertical is to multiply.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from scripts.pose.skeleton import N_ROOT_FEATURES, Skeleton

Real = TypeVar("Real", np.float32, np.float64)


def joints_from_features(features: NDArray[Real], skeleton: Skeleton) -> NDArray[Real]:
    """Place a motion in space: it begins above the origin, facing +Z.

    Args:
        features: (..., T, F), not normalised, float32 or float64.
        skeleton: whose features they are; F is its `n_features`.

    Returns:
        (..., T, J, 3) in the skeleton's unit, of the dtype of `features`; y is up, x the body's left at frame 0.

    Raises:
        ValueError: the features are not as many as the skeleton has.

    Source: `recover_from_ric` of HumanML3D.
    """
    if features.shape[-1] != skeleton.n_features:
        raise ValueError(f"{skeleton.name} has {skeleton.n_features} features a frame, not {features.shape[-1]}")
    exact = features.astype(np.float64)  # turns and steps add up over the frames
    half_rate = exact[..., 0]
    turn_after = 2 * np.cumsum(half_rate, axis=-1)
    facing: NDArray[np.complex128] = np.exp(1j * (turn_after - 2 * half_rate))
    steps = (exact[..., 1] + 1j * exact[..., 2]) * np.exp(1j * turn_after)
    root = np.cumsum(steps, axis=-1) - steps
    local = exact[..., N_ROOT_FEATURES:].reshape(*facing.shape, -1, 3)
    floor = (local[..., 0] + 1j * local[..., 2]) * facing[..., None] + root[..., None]
    joints = np.empty((*facing.shape, skeleton.n_joints, 3), features.dtype)
    joints[..., 0, 0], joints[..., 0, 1], joints[..., 0, 2] = root.real, exact[..., 3], root.imag
    joints[..., 1:, 0], joints[..., 1:, 1], joints[..., 1:, 2] = floor.real, local[..., 1], floor.imag
    return joints
