"""The proof's data set as a user would have one: videos, captions with boxes, a test list, and the configuration."""

import json
from pathlib import Path
from typing import Any

import yaml

from scripts.fgclip.proof.clips import BACKGROUND, Clip, annotation_line, caption_of, draw_clips, listed
from scripts.shared.errors import ConfigError
from scripts.shared.new_folder import new_folder
from scripts.shared.video.writing import write_h264

VIDEOS, TRAIN, TEST, TEST_BOXES, PROMPTS, CONFIG = (
    "videos", "train.json", "annotation.txt", "test_boxes.json", "prompts.yaml", "config.yaml",
)  # fmt: skip
N_TRAIN, N_TEST = 256, 48
STEPS = 160
_TRAIN_FRAMES, _TEST_FRAMES = 32, 40
_FIRST_TRAIN, _FIRST_TEST = 1, 501  # numbers in the names: no training video is a test video
_TRAIN_SEED, _TEST_SEED = 0, 1
_FPS = 10
_STRIDE = 2  # clips of 40 frames are scored more closely than UCF-Crime's
_ENCODING = {"preset": "ultrafast", "crf": "18"}


def make_dataset(target: Path, *, seed: int = 42, n_train: int = N_TRAIN, n_test: int = N_TEST) -> None:
    """Make the folder; equal arguments give equal bytes with one build of libx264. One that is there is replaced.

    Args:
        target: `videos/*.mp4`, `train.json`, `annotation.txt`, `test_boxes.json`, `prompts.yaml` and `config.yaml`.
        seed: of all that is drawn; training and test clips have generators of their own.
        n_train: training clips, every other one normal; at most 500.
        n_test: test clips, likewise.

    Raises:
        ConfigError: the folder holds something else, or so many clips cannot be named.
    """
    strangers = {path.name for path in target.glob("*")} - {VIDEOS, TRAIN, TEST, TEST_BOXES, PROMPTS, CONFIG}
    if strangers:
        raise ConfigError(f"{target}: holds {min(strangers)!r}, which is not of the proof; name another folder")
    if not 2 <= n_train < _FIRST_TEST or not 2 <= n_test < _FIRST_TEST:
        raise ConfigError(
            f"the proof has 2 to {_FIRST_TEST - 1} clips to train and to test, not {n_train} and {n_test}"
        )
    with new_folder(target) as made:
        train = [_write(made, clip) for clip in draw_clips(
            n_train, n_frames=_TRAIN_FRAMES, seed=(seed, _TRAIN_SEED), first=_FIRST_TRAIN
        )]  # fmt: skip
        test = [_write(made, clip) for clip in draw_clips(
            n_test, n_frames=_TEST_FRAMES, seed=(seed, _TEST_SEED), first=_FIRST_TEST
        )]  # fmt: skip
        _write_list(made / TRAIN, train)
        _write_list(made / TEST_BOXES, [clip for clip in test if clip.spans])
        (made / TEST).write_text("".join(map(annotation_line, test)), encoding="utf-8")
        _write_yaml(made / PROMPTS, _prompts())
        _write_yaml(made / CONFIG, {"fgclip": _config(target.resolve(), seed)})


def _write(folder: Path, clip: Clip) -> Clip:
    write_h264(folder / VIDEOS / clip.name, clip.frames, fps=_FPS, options=_ENCODING)
    return clip


def _write_list(path: Path, clips: list[Clip]) -> None:
    lines = ",\n".join(json.dumps(listed(clip)) for clip in clips)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def _write_yaml(path: Path, value: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(value, sort_keys=False), encoding="utf-8")


def _prompts() -> dict[str, Any]:
    """The sentences that frames are compared with: words that a training on these captions has read."""
    return {
        "anomaly": ["{}", f"{BACKGROUND} and {{}}"],
        "normal": [BACKGROUND],
        "classes": {category: caption_of(category) for category in ("RedSquare", "BlueSquare")},
    }


def _config(folder: Path, seed: int) -> dict[str, Any]:
    """Options of `fgclip`: the data set, a training on it, and the same training on shuffled captions."""
    run = {"preset": "tiny", "dataset": "proof", "max_steps": STEPS, "seed": seed}
    return {
        "datasets": {
            "proof": {
                "train": str(folder / TRAIN),
                "test": str(folder / TEST),
                "videos": str(folder / VIDEOS),
                "test_boxes": str(folder / TEST_BOXES),
                "prompts": str(folder / PROMPTS),
                "stride": _STRIDE,
            }
        },
        "runs": {"proof": run, "shuffled": run | {"shuffle_captions": True}},
    }
