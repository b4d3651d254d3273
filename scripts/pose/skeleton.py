"""The two skeletons that MARDM knows, HumanML3D's and KIT-ML's. Y is up; at frame 0 the figure faces +Z, left is +X."""

from dataclasses import dataclass

FRAMES_PER_TOKEN = 4  # of the autoencoder, for both
N_ROOT_FEATURES = 4  # yaw half-rate, velocity in x and z, height: then come the joints' positions


@dataclass(frozen=True)
class Skeleton:
    """What a kind of motion data says of a body.

    Attributes:
        name: as MARDM's folders have it.
        n_joints: joint 0 is the root.
        unit: of its coordinates.
        metres: one unit in metres.
        fps: frames a second.
        chains: joints from the root or a branching outwards, as they are drawn: right leg, left leg, spine, right arm,
            left arm.
        joint_names: of each joint; None where the data set gives none.
    """

    name: str
    n_joints: int
    unit: str
    metres: float
    fps: float
    chains: tuple[tuple[int, ...], ...]
    joint_names: tuple[str, ...] | None

    @property
    def n_features(self) -> int:
        """Numbers that describe one frame: the root's, and a position of each other joint."""
        return N_ROOT_FEATURES + 3 * (self.n_joints - 1)


SKELETONS = {
    "t2m": Skeleton(
        name="t2m",
        n_joints=22,
        unit="metres",
        metres=1.0,
        fps=20.0,
        chains=((0, 2, 5, 8, 11), (0, 1, 4, 7, 10), (0, 3, 6, 9, 12, 15), (9, 14, 17, 19, 21), (9, 13, 16, 18, 20)),
        joint_names=(
            "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle",
            "right_ankle", "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head",
            "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
        ),
    ),
    "kit": Skeleton(
        name="kit",
        n_joints=21,
        unit="millimetres",
        metres=0.001,
        fps=12.5,
        chains=((0, 11, 12, 13, 14, 15), (0, 16, 17, 18, 19, 20), (0, 1, 2, 3, 4), (3, 5, 6, 7), (3, 8, 9, 10)),
        joint_names=None,
    ),
}  # fmt: skip
