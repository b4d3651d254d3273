"""Has the toy learned? Captions that it never saw, and how near the poses made from them are to each clip."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from scripts.pose.features import joints_from_features
from scripts.pose.model_files.model_file import PoseModel
from scripts.pose.sampling.generation import Sampling, generate
from scripts.pose.sampling.noise import caption_noise, stack
from scripts.pose.skeleton import FRAMES_PER_TOKEN
from scripts.pose.toy.motions import SHORTEST, SKELETON, Clip
from scripts.pose.toy.training import Encode

REPEATS = 8  # poses of each caption
SAMPLING = Sampling("sit", cfg=2.0, solver_steps=16)  # stronger guidance stretches the toy's limbs


@dataclass(frozen=True)
class Control:
    """How far the poses of each held-out caption are from each clip.

    Attributes:
        clips: names; of the rows, whose captions they are, and of the columns.
        captions: that were held out.
        distances: (n, n) float64, metres: `nearest_frame_distances`, mean over the poses of a caption.
    """

    clips: tuple[str, ...]
    captions: tuple[str, ...]
    distances: NDArray[np.float64]

    @property
    def n_right(self) -> int:
        """Captions whose own clip is the nearest of all; by chance it would be one."""
        return int((self.distances.argmin(axis=1) == np.arange(len(self.clips))).sum())


def run_control(
    model: PoseModel, clips: Sequence[Clip], encode: Encode, *, seed: int, repeats: int = REPEATS
) -> Control:
    """Make poses from the held-out captions and compare them with the clips.

    Args:
        model: trained on the clips without these captions.
        clips: with their held-out captions.
        encode: the text encoder that the model was trained with.
        seed: of the poses.
        repeats: poses of each caption.

    Returns:
        The distances.
    """
    captions = tuple(clip.held_out for clip in clips)
    distances = []
    for caption in captions:
        poses = _middle_poses(model, encode, caption, seed, repeats)
        distances.append([nearest_frame_distances(poses, clip.joints).mean() for clip in clips])
    return Control(tuple(clip.name for clip in clips), captions, np.array(distances))


def shuffle_captions(clips: Sequence[Clip], *, seed: int) -> list[Clip]:
    """The same clips, the captions to train with dealt out anew; the held-out ones stay, so that both can be compared.

    Args:
        clips: with their captions.
        seed: of the dealing.

    Returns:
        Clips, each with as many captions as before.
    """
    captions = [caption for clip in clips for caption in clip.captions]
    dealt = iter(np.random.default_rng(seed).permutation(captions).tolist())
    return [replace(clip, captions=tuple(next(dealt) for _ in clip.captions)) for clip in clips]


def nearest_frame_distances(poses: NDArray[np.floating], frames: NDArray[np.floating]) -> NDArray[np.float64]:
    """How far each pose is from the frame most like it, wherever it stands and whichever way it faces.

    Args:
        poses: (P, J, 3), metres, Y up.
        frames: (T, J, 3).

    Returns:
        (P,) metres: the mean distance over the joints after the roots were laid on one vertical line and the pose was
        turned about it to where the squares of the distances are least.
    """
    pose, frame = _plane(poses)[:, None], _plane(frames)[None]
    # As complex numbers z + i x, a turn is a factor of size 1; the best one has the phase of the sum (Procrustes).
    overlap = (frame * pose.conj()).sum(axis=-1, keepdims=True)
    turned = pose * np.exp(1j * np.angle(overlap))
    height = poses[:, None, :, 1] - frames[None, :, :, 1]
    distances: NDArray[np.float64] = np.hypot(np.abs(turned - frame), height).mean(axis=-1)
    nearest: NDArray[np.float64] = distances.min(axis=1)
    return nearest


def _plane(joints: NDArray[np.floating]) -> NDArray[np.complex128]:
    """Places (n, J) of the joints on the floor as seen from the root, z + i x."""
    floor = joints[..., 2].astype(np.float64) + 1j * joints[..., 0]
    seen: NDArray[np.complex128] = floor - floor[..., :1]
    return seen


def _middle_poses(model: PoseModel, encode: Encode, caption: str, seed: int, repeats: int) -> NDArray[np.float32]:
    """(repeats, J, 3): the middle frames of motions made from the caption, as long as the shortest crops."""
    n_tokens = SHORTEST // FRAMES_PER_TOKEN
    n_channels = model.mardm.sizes.latent
    noise = stack([caption_noise(seed, caption, i, n_tokens, n_channels, ddpm=False) for i in range(repeats)])
    text = torch.from_numpy(encode(caption)).expand(repeats, -1)
    with torch.no_grad():
        motions = model.autoencoder.decode(generate(model.mardm, text, noise, SAMPLING)).numpy()
    features = (motions * model.std + model.mean).astype(np.float32)
    middle: NDArray[np.float32] = joints_from_features(features, SKELETON)[:, SHORTEST // 2]
    return middle
