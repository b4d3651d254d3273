"""The baseline: what the field's scripts do for one clip, in a process of its own. Nothing of ours is imported.

    python field_script.py CLIP CAPTION FOLDER [TOKENIZER]

OpenCV, a seek to each of 16 frames, a frame left black where a seek fails, plain pickles. TOKENIZER is the file of
open_clip's tokenizer module, which the scripts build for each sample and which imports torch; without it the tokens are
left out, which flatters the baseline.
"""

import importlib.util
import json
import pickle
import sys
from pathlib import Path

import cv2
import numpy as np


def tokenize(module: str, caption: str) -> np.ndarray:
    """The ids as open_clip gives them; its package as a whole does not import without torchvision."""
    spec = importlib.util.spec_from_file_location("tokenizer", module)
    assert spec
    assert spec.loader
    tokenizer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tokenizer)
    ids: np.ndarray = tokenizer.SimpleTokenizer()(caption).numpy()[0]
    return ids


def make(clip: str, caption: str, folder: Path, tokenizer: str) -> None:
    """Write the files of a sample."""
    capture = cv2.VideoCapture(clip)
    n_frames = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    frames = np.zeros((16, 160, 256, 3), np.uint8)
    for place, number in enumerate(np.linspace(0, n_frames - 1, 16, dtype=int)):
        capture.set(cv2.CAP_PROP_POS_FRAMES, int(number))
        read, frame = capture.read()
        if read:
            frames[place] = cv2.cvtColor(cv2.resize(frame, (256, 160)), cv2.COLOR_BGR2RGB)
    capture.release()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "video_input.pkl").write_bytes(pickle.dumps(frames))
    if tokenizer:
        (folder / "text_input.pkl").write_bytes(pickle.dumps({"tokens": tokenize(tokenizer, caption)}))
    (folder / "size.json").write_text(json.dumps([0.5] * 16))


if __name__ == "__main__":
    make(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else "")
