"""The scores of one video in a file: what the stage `score` writes, and evaluation and figures read.

`scores/<form>/<key>.npz` holds, for the n scored frames (every `stride`-th, from frame 0), K classes of anomalies, and
the model's map of H x W places:

| array | type | shape | what |
|---|---|---|---|
| `frames` | int64 | (n,) | numbers of the scored frames among the decoded ones, ascending, from 0 |
| `global` | float32 | (n,) | margin of the whole frame: logsumexp over the anomalies' logits, less the normal one |
| `dense` | float32 | (n,) | mean of the `top_k` largest margins of the frame's places |
| `map` | float32 | (n, H, W) | margin of each place; row 0 is the top of the picture, column 0 its left edge |
| `class_logits` | float32 | (n, K + 1) | logits of the whole frame for each class, the last one `Normal` |
| `video_logits` | float32 | (K + 1,) | logits of the whole video's vector, the mean of those of its windows |
| `classes` | text | (K + 1,) | names of the classes, the last one `Normal` |
| `n_frames` | int64 | () | frames of the video as decoded |

Margins are logits, never probabilities: these saturate to 1.0 in float32, and ties destroy a ranking.
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from scripts.shared.errors import JobError

NORMAL = "Normal"


@dataclass(frozen=True)
class VideoScores:
    """The scores of one video; arrays as the module describes them.

    Attributes:
        frames: (n,) int64.
        global_margins: (n,) float32, the file's `global`.
        dense_margins: (n,) float32, the file's `dense`.
        margin_map: (n, H, W) float32, the file's `map`.
        class_logits: (n, K + 1) float32.
        video_logits: (K + 1,) float32.
        classes: K + 1 names.
        n_frames: of the video.
    """

    frames: NDArray[np.int64]
    global_margins: NDArray[np.float32]
    dense_margins: NDArray[np.float32]
    margin_map: NDArray[np.float32]
    class_logits: NDArray[np.float32]
    video_logits: NDArray[np.float32]
    classes: tuple[str, ...]
    n_frames: int


def score_file(form: str, key: str) -> str:
    """Where a video's scores by a form of a model lie in the dataset's folder."""
    return f"scores/{form}/{key}.npz"


def scores_npz(scores: VideoScores) -> bytes:
    """The file of a video's scores; equal scores give equal bytes."""
    buffer = io.BytesIO()
    arrays: dict[str, NDArray[Any]] = {
        "frames": scores.frames,
        "global": scores.global_margins,
        "dense": scores.dense_margins,
        "map": scores.margin_map,
        "class_logits": scores.class_logits,
        "video_logits": scores.video_logits,
        "classes": np.array(scores.classes, np.str_),
        "n_frames": np.array(scores.n_frames, np.int64),
    }
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def read_scores(path: Path) -> VideoScores:
    """Read the scores of one video.

    Raises:
        JobError: the file is absent, damaged, or of another form.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return VideoScores(
                frames=arrays["frames"],
                global_margins=arrays["global"],
                dense_margins=arrays["dense"],
                margin_map=arrays["map"],
                class_logits=arrays["class_logits"],
                video_logits=arrays["video_logits"],
                classes=tuple(arrays["classes"].tolist()),
                n_frames=int(arrays["n_frames"]),
            )
    except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
        raise JobError(f"{path}: no scores of a video ({error}); remove it and run again: it is made anew") from error
